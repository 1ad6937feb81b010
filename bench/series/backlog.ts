import type { Series } from '../row.ts';
export const backlog: Series = { name: 'backlog', title: 'backlog', run: async () => [] };
