import type { Series } from '../row.ts';
export const workers: Series = { name: 'workers', title: 'workers', run: async () => [] };
