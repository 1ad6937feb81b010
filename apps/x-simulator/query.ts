import { invalidRequests } from './refusals.ts';

/** Refuses query parameters that are not in `known`, and list items that are not in its value, as X words it. */
export function checkQuery(
  query: URLSearchParams,
  known: Readonly<Record<string, readonly string[] | null>>,
  path = 'id',
): void {
  const errors: { message: string; parameters: Record<string, readonly string[]> }[] = [];
  for (const [name, value] of query) {
    if (!Object.hasOwn(known, name)) {
      const names = [...Object.keys(known), path].join(',');
      errors.push({
        message: `The query parameter [${name}] is not one of [${names}]`,
        parameters: { [name]: [value] },
      });
      continue;
    }
    const allowed = known[name];
    const wrong = allowed ? value.split(',').filter((item) => !allowed.includes(item)) : [];
    for (const item of wrong)
      errors.push({
        message: `The \`${name}\` query parameter value [${item}] is not one of [${allowed?.join(',')}]`,
        parameters: { [name]: [value] },
      });
  }
  if (errors.length > 0) throw invalidRequests(errors);
}

/** The items of a comma-separated parameter, or of any of its names. */
export function readList(query: URLSearchParams, ...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => (query.get(name) ?? '').split(',')).filter(Boolean);
}
