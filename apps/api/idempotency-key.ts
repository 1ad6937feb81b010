import type { FieldError } from '#libs/problem/problem.ts';

const mostCharacters = 255;

/** A string of structured fields (RFC 9651 section 3.3.3), which is what the draft of the header calls for. */
const quoted = /^"((?:[^"\\]|\\["\\])*)"$/;

/** The key without the quotes that it may be sent in: `"abc"` and `abc` are one key. */
function unquote(header: string): string {
  return quoted.exec(header)?.[1]?.replace(/\\(.)/g, '$1') ?? header;
}

/** The one key that the `Idempotency-Key` headers and `request_id` stand for, and what is wrong with them. */
export function agreeOnKey(requestId: string | null, headers: readonly string[]) {
  const faults: FieldError[] = [];
  const fault = (field: string, message: string) => faults.push({ field, message });
  const [key = null] = headers.map(unquote);
  if (headers.length > 1) fault('Idempotency-Key', 'Must stand once.');
  else if (key !== null && (key.length < 1 || key.length > mostCharacters))
    fault('Idempotency-Key', `Must have 1 to ${mostCharacters} characters.`);
  else if (requestId !== null && key !== null && requestId !== key)
    fault('request_id', 'Must equal the Idempotency-Key header, or leave one of them out.');
  return { key: requestId ?? key, faults };
}
