import type { Addresses } from './addresses.js';
import { LIMIT_REASONS } from './limits.js';
import type { Load } from './load.js';
import { Refusal, tryLater } from './refusal.js';
import { ViewerSession, type SessionOptions } from './session.js';
import type { SessionContext } from './session-context.js';

export interface NewSession extends Omit<SessionOptions, 'context'> {
  readonly kind: 'udp' | 'tcp';
}

/** Every session of a server, by id, and how many each viewer address may have. */
export class Sessions {
  readonly #context: SessionContext;
  readonly #addresses: Addresses;
  readonly #load: Pick<Load, 'isFull'>;
  readonly #byId = new Map<string, ViewerSession>();
  #isDraining = false;
  #whenEmpty: (() => void) | undefined;

  constructor(context: SessionContext, parts: { addresses: Addresses; load: Pick<Load, 'isFull'> }) {
    this.#context = context;
    this.#addresses = parts.addresses;
    this.#load = parts.load;
  }

  get size(): number {
    return this.#byId.size;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /**
   * Throws unless a session may be made for this viewer.
   * @throws Refusal 503 when the server is full, has too much to do or drains, 453 when the address has enough
   */
  admit(viewerAddress: string, kind: 'udp' | 'tcp'): void {
    const { limits, rejects } = this.#context;
    const account = this.#addresses.of(viewerAddress);
    const fields = { viewer: viewerAddress };
    if (this.#isDraining) {
      rejects.count('draining', fields);
      throw tryLater();
    }
    if (this.#load.isFull) {
      rejects.count(LIMIT_REASONS.overloadMs, fields);
      throw tryLater();
    }
    if (this.#byId.size >= limits.sessions) {
      rejects.count(LIMIT_REASONS.sessions, fields);
      throw tryLater();
    }
    if (account.sessions >= limits.sessionsPerAddress) {
      rejects.count(LIMIT_REASONS.sessionsPerAddress, fields);
      throw new Refusal(453);
    }
    if (kind === 'udp' && account.udpSessions >= limits.udpSessionsPerAddress) {
      rejects.count(LIMIT_REASONS.udpSessionsPerAddress, fields);
      throw new Refusal(453);
    }
  }

  /** @throws as {@link Sessions.admit} */
  create(o: NewSession): ViewerSession {
    this.admit(o.viewerAddress, o.kind);
    const account = this.#addresses.of(o.viewerAddress);
    const udp = o.kind === 'udp' ? 1 : 0;
    account.sessions++;
    account.udpSessions += udp;
    const session = new ViewerSession({
      ...o,
      context: this.#context,
      onClosed: (closed) => {
        account.sessions--;
        account.udpSessions -= udp;
        this.#byId.delete(closed.id);
        o.onClosed(closed);
        if (this.#byId.size === 0) this.#whenEmpty?.();
      },
    });
    this.#byId.set(session.id, session);
    return session;
  }

  /**
   * The session `id`, if it is this viewer's. Somebody else's is as unknown as one that does not exist.
   * @throws Refusal 454; closing the connection once an address asks for too many unknown ones
   */
  find(id: string, viewerAddress: string): ViewerSession {
    const session = this.#byId.get(id);
    if (session?.viewerAddress === viewerAddress) return session;
    const { rejects, limits, pulse } = this.#context;
    if (session !== undefined) rejects.count('foreign-session', { viewer: viewerAddress });
    const { guesses } = this.#addresses.of(viewerAddress);
    const isTooMany = guesses.add(pulse.nowMs) > limits.guessesPerMinute;
    if (isTooMany) rejects.count(LIMIT_REASONS.guessesPerMinute, { viewer: viewerAddress });
    throw new Refusal(454, { close: isTooMany });
  }

  sweep(): void {
    for (const session of this.#byId.values()) session.sweep();
  }

  /** Makes no more sessions. @returns when the last one has ended */
  async drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#byId.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** Ends the sessions of those who are not welcome any more. */
  expel(isWelcome: (session: ViewerSession) => boolean): void {
    for (const session of this.#byId.values()) if (!isWelcome(session)) session.close('forbidden');
  }

  close(): void {
    this.#isDraining = true;
    for (const session of this.#byId.values()) session.close('shutdown');
  }
}
