import { isObject, parseJson, readJsonObject } from './body.ts';
import type { Call } from './endpoints.ts';
import { parseMultipart } from './multipart.ts';
import { invalidRequest } from './refusals.ts';
import type { Settings } from './settings.ts';

interface Fields {
  readonly media: Buffer | undefined;
  readonly others: Record<string, unknown>;
}

/** The segment an APPEND brings, as multipart or as base64 in JSON; unknown fields are refused. */
export function readSegment(
  call: Call,
  { maxSegmentIndex: maxIndex, appendMultipart }: Pick<Settings, 'maxSegmentIndex' | 'appendMultipart'>,
): { index: number; bytes: Buffer } {
  const { media, others } = readFields(call, appendMultipart);
  const { segment_index: given, ...unknown } = others;
  refuseUnknown(unknown);
  if (given === undefined) throw invalidRequest('$.segment_index: is missing but it is required');
  const index = typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : given;
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > maxIndex)
    throw invalidRequest(`SegmentIndex must be between 0 and ${maxIndex}.`, {
      segment_index: [String(given)],
    });
  if (!media || media.length === 0) throw invalidRequest('$.media: is missing but it is required');
  return { index, bytes: media };
}

/** What a one-shot upload brings. */
export function readOneShot(call: Call): { fields: Record<string, unknown>; bytes: Buffer } {
  const { media, others } = readFields(call, true);
  if (call.query.has('command') || 'command' in others)
    throw invalidRequest('`command` is no longer supported: use initialize, append and finalize.');
  if (!media || media.length === 0) throw invalidRequest('$.media: is missing but it is required');
  const owners = others.additional_owners;
  const list = typeof owners === 'string' ? { additional_owners: owners.split(',').filter(Boolean) } : {};
  const shared = typeof others.shared === 'string' ? { shared: parseJson(others.shared) } : {};
  return { fields: { ...others, ...list, ...shared }, bytes: media };
}

function readFields(call: Call, mayBeMultipart: boolean): Fields {
  const type = call.headers['content-type'] ?? '';
  if (!mayBeMultipart || !/^multipart\/form-data\b/i.test(type)) {
    const { media, ...others } = readJsonObject(call);
    return { media: media === undefined ? undefined : decodeBase64(media), others };
  }
  const parts = parseMultipart(type, call.body);
  if (!parts) throw invalidRequest('The multipart body is malformed.');
  const names = parts.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw invalidRequest('The multipart body repeats a field.');
  const others = Object.fromEntries(
    parts.filter(({ name }) => name !== 'media').map(({ name, bytes }) => [name, bytes.toString('utf8')]),
  );
  return { media: parts.find(({ name }) => name === 'media')?.bytes, others: isObject(others) ? others : {} };
}

function decodeBase64(value: unknown): Buffer {
  const isBase64 =
    typeof value === 'string' && value.length % 4 !== 1 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
  if (!isBase64) throw invalidRequest('$.media: is not valid base64');
  return Buffer.from(value, 'base64');
}

function refuseUnknown(fields: Record<string, unknown>): void {
  const [name] = Object.keys(fields);
  if (name !== undefined)
    throw invalidRequest(
      `$.${name}: is not defined in the schema and the schema does not allow additional properties`,
    );
}
