/** Markup that is safe to send: made by `html`, which escapes whatever is put into it. */
export interface Html {
  readonly markup: string;
}

type Insert = Html | string | number | null | undefined | false | readonly Insert[];

const made = new WeakSet<Html>();

/**
 * A template whose values are escaped; other `html` and lists go in as they are, null and false leave nothing.
 * Values stand in text or inside quoted attributes, nowhere else.
 */
export function html(parts: TemplateStringsArray, ...values: readonly Insert[]): Html {
  return make(parts.reduce((markup, part, index) => markup + toMarkup(values[index - 1]) + part));
}

/** Markup from a constant of ours, as a style sheet is; never for anything that came from outside. */
export function trustedMarkup(constant: string): Html {
  return make(constant);
}

function make(markup: string): Html {
  const result = { markup };
  made.add(result);
  return result;
}

function toMarkup(value: Insert): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  if (isList(value)) return value.map(toMarkup).join('');
  // An object from JSON may look like markup; only what `html` made is.
  return made.has(value) ? value.markup : escapeText(String(value));
}

function isList(value: Insert): value is readonly Insert[] {
  return Array.isArray(value);
}

function escapeText(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}
