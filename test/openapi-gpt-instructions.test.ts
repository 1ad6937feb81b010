import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadContract, operationsOf } from './openapi-contract.ts';

const page = readFileSync(new URL('../docs/custom-gpt.md', import.meta.url), 'utf8');
const instructions = /^```text\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
const contract = loadContract('https://posts.example.org', 'gpt');
const operations = operationsOf(contract).map(({ operation }) => operation.operationId);

describe('the instructions for a GPT', () => {
  it('fit into the editor', () => {
    expect(instructions.length).toBeGreaterThan(1000);
    expect(instructions.length).toBeLessThan(8000);
  });

  it('name only operations that the GPT imports, and the page names all of them', () => {
    const named = instructions.match(/\b[a-z]+(Tweet|Job|Jobs|Account|Media)\b/g) ?? [];
    expect(new Set(named).size).toBeGreaterThan(5);
    for (const name of named) expect(operations).toContain(name);
    for (const name of operations) expect(page).toContain(`\`${name}\``);
  });

  it('name only fields and values that exist', () => {
    const known = JSON.stringify(contract);
    const named = instructions.match(/\b[a-z]+(_[a-z]+)+\b|\bopenaiFileIdRefs\b/g) ?? [];
    expect(named.length).toBeGreaterThan(15);
    for (const name of named) expect(known).toContain(`"${name}"`);
  });

  it('say what to do at each end, and take any other status for work', () => {
    for (const end of ['published', 'failed', 'canceled', 'unconfirmed', 'scheduled', 'waiting'])
      expect(instructions).toMatch(new RegExp(`^- .*\\b${end}\\b`, 'm'));
    expect(instructions).toMatch(/Any other status, also one you do not know/);
    expect(instructions).toMatch(/at most 3 times/);
  });
});
