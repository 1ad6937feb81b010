import type { Series } from '../row.ts';
export const media: Series = { name: 'media', title: 'media', run: async () => [] };
