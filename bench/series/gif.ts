import type { Series } from '../row.ts';
export const gif: Series = { name: 'gif', title: 'gif', run: async () => [] };
