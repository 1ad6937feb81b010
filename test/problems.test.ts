import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { problemKinds } from '#libs/problem/problem.ts';

const page = readFileSync(new URL('../docs/problems.md', import.meta.url), 'utf8');
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((text) => [text.split('\n')[0] ?? '', text.split(/^## /m)[0] ?? '']),
);

describe('docs/problems.md', () => {
  it('has a section for each code of the catalogue and for no other', () => {
    expect([...sections.keys()].sort()).toEqual(Object.keys(problemKinds).sort());
  });

  it.each(Object.entries(problemKinds))(
    'says of %s what the catalogue says, and what to do',
    (code, kind) => {
      const section = sections.get(code) ?? '';
      const retryable = kind.retryable ? 'retryable' : 'not retryable';
      expect(section).toContain(`\n${kind.status} · action: ${kind.action} · ${retryable}\n`);
      for (const part of ['What happened', 'Why', 'What to do'])
        expect(section.split(`* **${part}.** `)[1]?.split('\n*')[0]?.length ?? 0, part).toBeGreaterThan(15);
    },
  );
});
