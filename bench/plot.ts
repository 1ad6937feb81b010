import { format, isMet, type Row } from './row.ts';

const [width, left, barHeight, rowHeight, top] = [760, 300, 12, 46, 48] as const;
const colours = { ours: '#1d6fb8', missed: '#b8401d', baseline: '#9aa4ad' } as const;

/** A bar for ours and one for the baseline in each row; each row has its own scale, its figures stand beside the bars. */
export function plot(title: string, rows: readonly Row[]): string {
  const height = top + rows.length * rowHeight + 16;
  const body = rows.map((row, index) => drawRow(row, top + index * rowHeight)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>${escapeXml(title)}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="16" y="26" font-size="16" font-weight="bold">${escapeXml(title)}</text>
${body}
</svg>
`;
}

function drawRow(row: Row, y: number): string {
  const most = Math.max(row.ours, row.baseline ?? 0) || 1;
  const bar = (value: number, at: number, colour: string, who: string) => {
    const length = Math.max(1, (value / most) * (width - left - 190));
    const label = `${who} ${format(value)} ${row.unit}`;
    return `<rect x="${left}" y="${at}" width="${length.toFixed(1)}" height="${barHeight}" fill="${colour}"/><text x="${(left + length + 6).toFixed(1)}" y="${at + 10}">${escapeXml(label)}</text>`;
  };
  const own = isMet(row) === false ? colours.missed : colours.ours;
  return [
    `<text x="${left - 10}" y="${y + 19}" text-anchor="end">${escapeXml(row.what)}</text>`,
    bar(row.ours, y + 2, own, 'ours'),
    row.baseline === null ? '' : bar(row.baseline, y + 18, colours.baseline, 'baseline'),
  ].join('\n');
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (char) => entities[char] ?? char);
