import type { Description } from '@forebay/rtsp';
import type { Entry } from './entries.js';
import { type Presentation, sdpForViewers } from './library.js';

/** A presentation with the title behind it. */
export class Shown implements Presentation {
  readonly entry: Entry;
  readonly route: string;
  readonly description: Description;

  constructor(entry: Entry, route: string) {
    this.entry = entry;
    this.route = route;
    this.description = entry.title.description;
  }

  get key(): string {
    return this.entry.title.key;
  }

  get live(): boolean {
    return this.entry.title.live;
  }

  get durationSeconds(): number | undefined {
    return this.entry.title.durationSeconds;
  }

  sdp(): string {
    return sdpForViewers(this);
  }
}
