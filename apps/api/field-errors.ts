import type { z } from 'zod';
import type { FieldError } from '#libs/problem/problem.ts';

/** What is said of a name that is not known. */
export const noSuchField = 'There is no such field.';

/** What zod found, an error for each wrong field. `at`: where the value stands, as in `thread[2].text`; '': the body. */
export function toFieldErrors({ issues }: z.ZodError, at = ''): FieldError[] {
  return issues.flatMap((issue) => {
    const inside = toPath(issue.path);
    const path = at && inside && !inside.startsWith('[') ? `${at}.${inside}` : at + inside;
    if (issue.code !== 'unrecognized_keys') return [{ field: path || 'body', message: issue.message }];
    return issue.keys.map((name) => ({
      field: `${path && `${path}.`}${name.slice(0, 60)}`,
      message: noSuchField,
    }));
  });
}

function toPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('');
}
