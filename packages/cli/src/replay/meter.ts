import { z } from 'zod';

const ASK_MS = 2000;
const FIRST_PERIOD_MS = 250;
/** Kept readings; when there are more, every other is forgotten and half as many are taken. */
const MOST_READINGS = 4096;
const MOST_PAGE_CHARS = 16 << 20;

/** What the proxy has counted. */
export interface Reading {
  /** After the beginning of the replay. */
  readonly atSeconds: number;
  readonly viewerBytes: number;
  /** Of them, from RAM or disk. */
  readonly heldBytes: number;
  readonly originBytes: number;
  readonly cacheBytes: number;
  readonly capacityBytes: number;
  /** Media time that viewers missed, and troubles of the disk. */
  readonly gapSeconds: number;
  readonly diskFaults: number;
}

/** The metrics page cannot be read, or is not Forebay's. */
class MeterError extends Error {
  override readonly name = 'MeterError';
  readonly code = 'no-metrics';
}

/** Follows the metrics of a proxy while a replay runs. */
export class Meter {
  readonly readings: Reading[] = [];
  readonly #url: string;
  readonly #zeroMs: number;
  #periodMs = FIRST_PERIOD_MS;
  #timer: NodeJS.Timeout | undefined;

  private constructor(url: string, zeroMs: number) {
    this.#url = url;
    this.#zeroMs = zeroMs;
  }

  /** @param admin URL of the proxy's admin pages, without a slash at its end. @throws MeterError */
  static async start(admin: string, zeroMs: number): Promise<Meter> {
    const meter = new Meter(`${admin}/metrics`, zeroMs);
    await meter.read();
    meter.#plan();
    return meter;
  }

  /** One reading more, now. @throws MeterError */
  async read(): Promise<Reading> {
    const page = await this.#page();
    const reading = { atSeconds: (performance.now() - this.#zeroMs) / 1000, ...readPage(page, this.#url) };
    this.readings.push(reading);
    if (this.readings.length > MOST_READINGS) {
      this.#periodMs *= 2;
      this.readings.splice(0, this.readings.length, ...this.readings.filter((_, i) => i % 2 === 0));
    }
    return reading;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #plan(): void {
    this.#timer = setTimeout(() => {
      // A reading that is missed is made up for by the next.
      this.read()
        .catch(() => undefined)
        .finally(() => {
          if (this.#timer !== undefined) this.#plan();
        });
    }, this.#periodMs);
  }

  async #page(): Promise<string> {
    try {
      const answer = await fetch(this.#url, { signal: AbortSignal.timeout(ASK_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return (await answer.text()).slice(0, MOST_PAGE_CHARS);
    } catch (error) {
      const why = error instanceof Error ? (error.cause instanceof Error ? error.cause : error).message : '';
      throw new MeterError(
        `${this.#url} cannot be read (${why}); give --admin host:port of the proxy's admin pages, or --admin off`,
        { cause: error },
      );
    }
  }
}

/** What was counted at an instant, between the readings around it. */
export function readingAt(readings: readonly Reading[], atSeconds: number): Reading | undefined {
  const after = readings.findIndex((reading) => reading.atSeconds >= atSeconds);
  if (after <= 0) return after === 0 ? readings[0] : readings.at(-1);
  const [left, right] = [readings[after - 1]!, readings[after]!];
  const share = (atSeconds - left.atSeconds) / Math.max(1e-9, right.atSeconds - left.atSeconds);
  const between = (key: 'viewerBytes' | 'heldBytes' | 'originBytes'): number =>
    left[key] + share * (right[key] - left[key]);
  return {
    ...right,
    atSeconds,
    viewerBytes: between('viewerBytes'),
    heldBytes: between('heldBytes'),
    originBytes: between('originBytes'),
  };
}

const NUMBER = z.coerce.number();

function readPage(page: string, url: string): Omit<Reading, 'atSeconds'> {
  const sum = (name: string, labels = ''): number => {
    const pattern = new RegExp(`^forebay_${name}(?:\\{[^}\\n]*${labels}[^}\\n]*\\})? (\\S+)$`, 'gm');
    return Array.from(page.matchAll(pattern), (match) => NUMBER.parse(match[1])).reduce((a, b) => a + b, 0);
  };
  if (!page.includes('forebay_viewer_bytes_total')) throw new MeterError(`${url} is not a page of Forebay`);
  return {
    viewerBytes: sum('viewer_bytes_total'),
    heldBytes: sum('viewer_bytes_total', 'source="ram"') + sum('viewer_bytes_total', 'source="disk"'),
    originBytes: sum('origin_bytes_total'),
    cacheBytes: sum('cache_bytes', 'tier="disk"'),
    capacityBytes: sum('cache_capacity_bytes', 'tier="disk"'),
    gapSeconds: sum('gap_seconds_total'),
    diskFaults: sum('store_faults_total'),
  };
}
