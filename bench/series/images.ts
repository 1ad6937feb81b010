import type { Series } from '../row.ts';
export const images: Series = { name: 'images', title: 'images', run: async () => [] };
