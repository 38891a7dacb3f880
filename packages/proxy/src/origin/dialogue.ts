import { type RtspResponse, STATUS_REASONS } from '@forebay/rtsp';
import type { Metrics } from '../metrics.js';
import { type Attempt, Authorizer, type Keys } from './authorizer.js';
import type { OriginConnection, Question } from './connection.js';
import { OriginError } from './errors.js';

/** Questions over one connection, with the route's credentials where they may go, counted by method and answer. */
export class Dialogue {
  readonly connection: OriginConnection;
  readonly #authorizer: Authorizer;
  readonly #metrics: Metrics;
  readonly #origin: string;
  #challenged = false;

  constructor(o: { connection: OriginConnection; keys: Keys | undefined; metrics: Metrics; origin: string }) {
    this.connection = o.connection;
    this.#authorizer = new Authorizer(o.keys);
    this.#metrics = o.metrics;
    this.#origin = o.origin;
  }

  /** The origin has asked for credentials; one that closes the connection behind its 401 is asked again on another. */
  get challenged(): boolean {
    return this.#challenged;
  }

  /**
   * The answer, whatever its status but 401.
   * @throws OriginError `unauthorized`, `origin-closed`, `protocol`, or why `signal` aborted
   */
  async ask(question: Question, signal: AbortSignal): Promise<RtspResponse> {
    const attempts: Attempt[] = [];
    for (;;) {
      const attempt = this.#authorizer.attempt(question.method, question.url);
      attempts.push(attempt);
      const answer = this.connection.ask(withAuthorization(question, attempt), signal);
      const response = await this.#counted(question.method, answer);
      if (response.status !== 401) return response;
      this.#challenged = true;
      if (!this.#authorizer.challenged(response, attempts)) {
        throw new OriginError('unauthorized', `${question.method} was answered with 401`, {
          originStatus: 401,
        });
      }
    }
  }

  /**
   * Sends all questions in one write. Answers of any status, or why there is none, in order. The last challenge among them
   * is what the next question answers.
   */
  async askTogether(
    questions: readonly Question[],
    signal: AbortSignal,
  ): Promise<PromiseSettledResult<RtspResponse>[]> {
    const attempts = questions.map((q) => this.#authorizer.attempt(q.method, q.url));
    const authorized = questions.map((question, i) => withAuthorization(question, attempts[i]!));
    const answers = this.connection.askTogether(authorized, signal);
    const outcomes = await Promise.allSettled(
      answers.map((answer, i) => this.#counted(questions[i]!.method, answer)),
    );
    const last = outcomes.findLastIndex((o) => o.status === 'fulfilled' && o.value.status === 401);
    const outcome = outcomes[last];
    if (outcome?.status === 'fulfilled') this.#authorizer.challenged(outcome.value, [attempts[last]!]);
    return outcomes;
  }

  async #counted(method: string, answer: Promise<RtspResponse>): Promise<RtspResponse> {
    let status = 'none';
    try {
      const response = await answer;
      status = label(response.status);
      return response;
    } catch (error) {
      if (error instanceof OriginError) status = error.code;
      throw error;
    } finally {
      this.#metrics.originRequests.inc({ origin: this.#origin, method, status });
    }
  }
}

function withAuthorization(question: Question, attempt: Attempt): Question {
  if (attempt.header === undefined) return question;
  return { ...question, headers: [...(question.headers ?? []), ['Authorization', attempt.header]] };
}

/** Statuses that the RFC knows stand for themselves; an origin cannot invent metric labels. */
function label(status: number): string {
  return status in STATUS_REASONS ? String(status) : `${Math.floor(status / 100)}xx`;
}
