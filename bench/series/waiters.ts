import type { Series } from '../row.ts';
export const waiters: Series = { name: 'waiters', title: 'waiters', run: async () => [] };
