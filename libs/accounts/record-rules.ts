/**
 * What the scripts on `account:<id>` do, as pure functions: the model of the refresh protocol works on these, and a
 * test holds them against the scripts in a real Redis.
 */
export interface Fields {
  readonly v: number;
  readonly st: 'OK' | 'REFRESHING' | 'DEAD';
  /** Which pair is sealed; null: wiped. */
  readonly sealed: number | null;
  readonly attempt: string | null;
  /** Which pair's refresh token the marker is about. */
  readonly digest: number | null;
  readonly presented: number;
  readonly done: string | null;
}

/** The record after the script and what it answered; without a record there is nothing to change. */
type Change<Answer> = readonly [Fields | null, Answer];

const noMarker = { attempt: null, digest: null, presented: 0 } as const;

export function connect(
  record: Fields | null,
  call: { v: number; attempt: string; pair: number },
): Change<boolean> {
  if (record?.done === call.attempt) return [record, true];
  if ((record?.v ?? 0) !== call.v) return [record, false];
  return [{ v: call.v + 1, st: 'OK', sealed: call.pair, done: call.attempt, ...noMarker }, true];
}

export function mark(
  record: Fields | null,
  call: { v: number; found: string; attempt: string; pair: number; lockIsOurs: boolean },
): Change<boolean> {
  if (!record) return [null, false];
  if (record.attempt === call.attempt) return [record, true];
  const unmoved = record.v === call.v && record.st !== 'DEAD' && (record.attempt ?? '') === call.found;
  if (!unmoved || !call.lockIsOurs) return [record, false];
  const presented = (record.digest === call.pair ? record.presented : 0) + 1;
  return [{ ...record, st: 'REFRESHING', attempt: call.attempt, digest: call.pair, presented }, true];
}

export function unmark(record: Fields | null, call: { attempt: string }): Change<boolean> {
  if (record?.attempt !== call.attempt || !record) return [record, false];
  return record.presented > 1
    ? [{ ...record, attempt: '', presented: record.presented - 1 }, true]
    : [{ ...record, st: 'OK', ...noMarker }, true];
}

export function rotate(
  record: Fields | null,
  call: { v: number; of: number; attempt: string; pair: number },
): Change<'stored' | 'moved' | 'gone'> {
  if (!record) return [null, 'gone'];
  if (record.done === call.attempt) return [record, 'stored'];
  if (record.v !== call.v || record.digest !== call.of) return [record, 'moved'];
  return [{ v: record.v + 1, st: 'OK', sealed: call.pair, done: call.attempt, ...noMarker }, 'stored'];
}

export function kill(record: Fields | null, call: { v: number; attempt: string }): Change<boolean> {
  if (!record || record.v !== call.v || (record.attempt ?? '') !== call.attempt) return [record, false];
  return [{ ...record, st: 'DEAD', sealed: null }, true];
}
