/** Of `/api/v1/origins`: what the page shows of it. */
export interface OriginView {
  readonly route: string;
  readonly origin: string;
  readonly sessions: { readonly used: number; readonly waiting: number };
  readonly leadSeconds: number;
  readonly startupMs: { readonly p50?: number; readonly p90?: number };
}

/** Of `/api/v1/titles`. */
export interface TitleView {
  readonly title: string;
  readonly route: string;
  readonly live: boolean;
  readonly durationSeconds?: number;
  readonly viewers: number;
  readonly standing: 'confirmed' | 'unconfirmed' | 'refused';
  readonly flightsAtSeconds: readonly number[];
  readonly held: readonly {
    readonly fromSeconds: number;
    readonly toSeconds: number;
    readonly where: 'disk' | 'ram' | 'filling';
  }[];
}

/** Of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What the proxy said in one go. */
export interface Answers {
  readonly metrics: string;
  readonly readiness: Readiness;
  readonly origins: readonly OriginView[];
  readonly titles: readonly TitleView[];
}

/** Asks the proxy everything. @throws where it does not answer within `timeoutMs` */
export async function ask(timeoutMs: number): Promise<Answers> {
  const signal = AbortSignal.timeout(timeoutMs);
  const get = async (path: string): Promise<Response> => await fetch(path, { signal, cache: 'no-store' });
  const [metrics, readiness, origins, titles] = await Promise.all([
    get('/metrics').then((answer) => answer.text()),
    get('/readyz').then((answer) => answer.json() as Promise<Readiness>),
    get('/api/v1/origins').then((answer) => answer.json() as Promise<{ origins: OriginView[] }>),
    get('/api/v1/titles').then((answer) => answer.json() as Promise<{ titles: TitleView[] }>),
  ]);
  return { metrics, readiness, origins: origins.origins, titles: titles.titles };
}
