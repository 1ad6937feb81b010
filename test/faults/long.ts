/** Whether the faults are played at full length too: `npm run faults`. Else what takes minutes is left out. */
export const isLong = process.env.FAULTS === 'long';
