/** Environment of a process that believes it is another time: `offsetMs` later than it is. */
export function withClock(offsetMs: number): Record<string, string> {
  if (offsetMs === 0) return {};
  const shift = `const real = Date.now; Date.now = () => real() + ${offsetMs};
    globalThis.Date = new Proxy(Date, { construct: (Time, given, target) =>
      Reflect.construct(Time, given.length > 0 ? given : [Time.now()], target) });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` };
}
