import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#libs/problem/problem.ts';
import { parseStrictJson, readJsonBody } from './json-body.ts';

const codeOf = (text: string): string => {
  try {
    parseStrictJson(text);
    return 'ok';
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
};

describe('a JSON body', () => {
  it('is read as JSON.parse reads it', () => {
    // Numbers that JSON cannot tell apart (-0) and the refused name aside.
    const values = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"'));
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value);
        if (codeOf(text) === 'ok') expect(parseStrictJson(text)).toEqual(JSON.parse(text));
        else expect(text.length).toBeGreaterThan(64);
      }),
    );
  });

  it('is refused, and nothing else happens, whatever else it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['ok', 'bad_request']).toContain(codeOf(text));
      }),
    );
  });

  it('has no name twice in one object, also where it is escaped', () => {
    expect(codeOf('{"a":1,"a":2}')).toBe('bad_request');
    expect(codeOf('{"a":1,"\\u0061":2}')).toBe('bad_request');
    expect(codeOf('{"x":[{"a":1,"a":2}]}')).toBe('bad_request');
    expect(codeOf('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')).toBe('ok');
    expect(codeOf('{"a":"a","b":"a"}')).toBe('ok');
  });

  it('has no name that changes what an object is', () => {
    expect(codeOf('{"__proto__":{}}')).toBe('bad_request');
    expect(codeOf('{"\\u005f_proto__":{}}')).toBe('bad_request');
  });

  it('is at most 64 levels deep', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(codeOf(nested(64))).toBe('ok');
    expect(codeOf(nested(65))).toBe('bad_request');
    expect(codeOf(nested(50_000))).toBe('bad_request');
  });

  it('may have brackets, quotes and colons in its strings', () => {
    expect(codeOf(JSON.stringify({ a: '{"b":1,"b":2}[[[', 'c"}:': '\\' }))).toBe('ok');
  });

  const bodyOf = (chunks: string[]) =>
    Object.assign(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), {
      headers: { 'content-type': 'application/json' },
    });

  it('may come in pieces', async () => {
    expect(await readJsonBody(bodyOf(['{"te', 'xt":"a', 'b"}']))).toEqual({ text: 'ab' });
  });

  it.each([0, 1])(
    'broke off when its sender hung up, also before anybody read it: after %i turns',
    async (turns) => {
      const body = bodyOf(['{}']).destroy();
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      await expect(readJsonBody(body)).rejects.toMatchObject({ code: 'bad_request' });
    },
  );
});
