/** The file is not what its first bytes say, is cut off, or says different things about itself. */
export class DamagedMediaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DamagedMediaError';
  }
}

/** There is sound, and nothing to see. */
export class NoPictureError extends Error {
  constructor() {
    super('No picture');
    this.name = 'NoPictureError';
  }
}

/** More pixels than may be decoded. */
export class TooManyPixelsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TooManyPixelsError';
  }
}

/** No quality and no size makes the picture fit. */
export class DoesNotFitError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DoesNotFitError';
  }
}
