/** What is written down of a run. */
export type Notes = ReturnType<typeof createNotes>;

export function createNotes() {
  const startedAt = performance.now();
  const history: string[] = [];
  return {
    history,
    broken: [] as string[],
    acts: 0,
    note: (line: string) => void history.push(`${Math.round(performance.now() - startedAt)} ${line}`),
  };
}
