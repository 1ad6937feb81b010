import { expect, it } from 'vitest';
import { createLineWriter } from './log-lines.ts';

function written(
  { terminal = true, colours = false }: { terminal?: boolean; colours?: boolean },
  ...lines: readonly [string, string][]
): string {
  const parts: string[] = [];
  const print = createLineWriter({ terminal, colours, write: (part) => parts.push(part) });
  for (const [name, line] of lines) print(name, line);
  return parts.join('');
}

it('log lines of every process become readable ones with the name of the process in front', () => {
  const time = '2026-11-21T10:20:30.000Z';
  const text = written(
    {},
    ['api', JSON.stringify({ level: 'info', time, name: 'api', jobId: 'j1', msg: 'accepted' })],
    ['worker', 'plain words'],
    ['worker', '{ no json'],
    [
      'api',
      JSON.stringify({
        level: 'error',
        time,
        err: { type: 'Error', message: 'no', stack: 'Error: no\n  at x' },
      }),
    ],
  );
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^api {7}\| \[\d\d:\d\d:\d\d\] INFO: accepted \{"jobId":"j1"\}$/);
  expect(lines[1]).toBe('worker    | plain words');
  expect(lines[2]).toBe('worker    | { no json');
  expect(lines.slice(3).join('\n')).toMatch(/ERROR[\s\S]*Error: no[\s\S]*at x/);
  expect(lines.every((line) => /^(api|worker) +\| /.test(line))).toBe(true);
  expect(text).not.toContain('\u001b');
});

it('colours are for terminals', () => {
  expect(written({ colours: true }, ['api', 'words'])).toBe('\u001b[36mapi       |\u001b[0m words\n');
});

it('where no terminal is, JSON lines stay JSON lines', () => {
  const line = JSON.stringify({ level: 'info', name: 'api', msg: 'accepted' });
  expect(written({ terminal: false }, ['api', line], ['api', 'words'])).toBe(`${line}\napi       | words\n`);
});
