import type { Series } from '../row.ts';
export const start: Series = { name: 'start', title: 'start', run: async () => [] };
