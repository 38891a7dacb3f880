/** `smpte` means 30 drop (29.97 frames a second), like `smpte-30-drop` (RFC 2326 section 3.5). */
export type SmpteFormat = 'smpte' | 'smpte-25' | 'smpte-30-drop';

/** Subframes are hundredths of a frame. */
const SUBFRAMES = 100;

interface Rate {
  /** Frames counted in a second of the time code. */
  readonly frames: number;
  /** Frame numbers left out at the start of every minute but each tenth. */
  readonly dropped: number;
  /** Real seconds a frame. */
  readonly frameSeconds: number;
}

const DROP_30: Rate = { frames: 30, dropped: 2, frameSeconds: 1001 / 30_000 };
const RATES: Readonly<Record<SmpteFormat, Rate>> = {
  smpte: DROP_30,
  'smpte-30-drop': DROP_30,
  'smpte-25': { frames: 25, dropped: 0, frameSeconds: 1 / 25 },
};

/**
 * Seconds of a time code `hours:minutes:seconds[:frames[.subframes]]`, or undefined when it is none.
 * Source: RFC 2326 section 3.5; SMPTE 12M for the frame numbers that are dropped
 */
export function parseSmpte(format: SmpteFormat, text: string): number | undefined {
  const match = /^(\d{1,2}):([0-5]?\d):([0-5]?\d)(?::(\d{1,2})(?:\.(\d{1,2}))?)?$/.exec(text);
  if (match === null) return undefined;
  const rate = RATES[format];
  const [hours, minutes, seconds, frames, subframes] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (frames >= rate.frames) return undefined;
  const totalMinutes = hours * 60 + minutes;
  const dropped = rate.dropped * (totalMinutes - Math.floor(totalMinutes / 10));
  const frameNumber = (totalMinutes * 60 + seconds) * rate.frames + frames - dropped;
  return (Math.max(0, frameNumber) + subframes / SUBFRAMES) * rate.frameSeconds;
}

/** The time code nearest to `seconds`, to a hundredth of a frame. Frames are left out where they are zero. */
export function formatSmpte(format: SmpteFormat, seconds: number): string {
  const rate = RATES[format];
  const total = Math.round((seconds / rate.frameSeconds) * SUBFRAMES);
  const subframes = total % SUBFRAMES;
  const label = labelOf(rate, Math.floor(total / SUBFRAMES));
  const frames = label % rate.frames;
  const wholeSeconds = Math.floor(label / rate.frames);
  const clock = `${two(Math.floor(wholeSeconds / 3600))}:${two(Math.floor(wholeSeconds / 60) % 60)}:${two(wholeSeconds % 60)}`;
  if (subframes > 0) return `${clock}:${two(frames)}.${two(subframes)}`;
  return frames > 0 ? `${clock}:${two(frames)}` : clock;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** Frame number with the dropped labels counted in: what the time code shows. */
function labelOf(rate: Rate, frameNumber: number): number {
  if (rate.dropped === 0) return frameNumber;
  const perMinute = 60 * rate.frames - rate.dropped;
  const perTenMinutes = 10 * perMinute + rate.dropped;
  const tens = Math.floor(frameNumber / perTenMinutes);
  const rest = frameNumber % perTenMinutes;
  const minutes = rest < 60 * rate.frames ? 0 : 1 + Math.floor((rest - 60 * rate.frames) / perMinute);
  return frameNumber + rate.dropped * (9 * tens + minutes);
}
