import { expect, it } from 'vitest';
import { parseForm } from './form.ts';

it('a form is filled in as by a person who changes nothing and presses the first button', () => {
  const page = `<p>Hello</p><form method="post" action="/go?a=1">
    <input type="hidden" name="state" value="&quot;a&amp;b&quot; &#228;">
    <input type="radio" name="user" value="1" checked><input type="radio" name="user" value="2">
    <input type="checkbox" name="more" value="yes">
    <button name="decision" value="allow">Yes</button><button name="decision" value="deny">No</button></form>`;
  const { action, fields } = parseForm(page, 'http://x.test/authorize?b=2');
  expect(action).toBe('http://x.test/go?a=1');
  expect([...fields]).toEqual([
    ['state', '"a&b" ä'],
    ['user', '1'],
    ['decision', 'allow'],
  ]);
  expect(() => parseForm('<p>Nothing</p>', 'http://x.test/')).toThrow(/no form/);
});
