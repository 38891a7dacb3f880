import { FILL_METHODS, FILL_VERDICTS, type FillFinding, type FillMethod } from './fill-methods.js';
import {
  AGGREGATE_FORMS,
  CONTROL_FORMS,
  KEEP_ALIVE_METHODS,
  type OriginProfile,
  RANGE_UNITS,
  STARTUP_SAMPLES,
} from './profile.js';

const TRANSPORTS = ['tcp', 'udp'] as const;
const LONGEST_STARTUP_MS = 60_000;
const METHODS_MAX = 32;
const METHOD_NAME = /^[A-Z_]{1,32}$/;
const SESSIONS_MAX = 10_000;
const FACTOR_MAX = 1e6;

/** What was learned of an origin, as JSON has it: for the next process, and for people. */
export interface ProfileRecord {
  readonly transport?: 'tcp' | 'udp';
  readonly keepAlive: string;
  readonly pipelines: boolean;
  readonly pipelinesProven: boolean;
  readonly controlForm: string;
  readonly aggregateForm: string;
  readonly range?: string;
  readonly seeks?: boolean;
  readonly onvifReplay?: boolean;
  readonly saysBye?: boolean;
  readonly sessionLimit?: number;
  readonly methods: readonly string[];
  readonly startupsMs: readonly number[];
  readonly fill: Readonly<Partial<Record<FillMethod, FillFinding>>>;
}

export function recordOf(profile: OriginProfile): ProfileRecord {
  const { transport, pipelinesProven, controlForm, aggregateForm, saysBye, sessionLimit, learned } = profile;
  const { keepAlive, pipelines, range, seeks, onvifReplay } = learned;
  return {
    ...(transport === undefined ? {} : { transport }),
    keepAlive,
    pipelines,
    pipelinesProven,
    controlForm,
    aggregateForm,
    ...(range === undefined ? {} : { range }),
    ...(seeks === undefined ? {} : { seeks }),
    ...(onvifReplay === undefined ? {} : { onvifReplay }),
    ...(saysBye === undefined ? {} : { saysBye }),
    ...(sessionLimit === undefined ? {} : { sessionLimit }),
    methods: [...profile.methods].filter((name) => METHOD_NAME.test(name)).slice(0, METHODS_MAX),
    startupsMs: profile.startupsMs.map((ms) => Math.round(ms)),
    fill: Object.fromEntries(profile.fill.entries),
  };
}

/** Takes over what a record says. It may be anybody's: what is not of the right kind counts as not known. */
export function takeRecord(profile: OriginProfile, value: unknown): void {
  if (!isObject(value)) return;
  profile.transport = oneOf(TRANSPORTS, value['transport']);
  profile.keepAlive = oneOf(KEEP_ALIVE_METHODS, value['keepAlive']) ?? 'OPTIONS';
  profile.pipelines = truth(value['pipelines']) ?? true;
  profile.pipelinesProven = truth(value['pipelinesProven']) ?? false;
  profile.controlForm = oneOf(CONTROL_FORMS, value['controlForm']) ?? 'appended';
  profile.aggregateForm = oneOf(AGGREGATE_FORMS, value['aggregateForm']) ?? 'given';
  profile.range = oneOf(RANGE_UNITS, value['range']);
  profile.seeks = truth(value['seeks']);
  profile.onvifReplay = truth(value['onvifReplay']);
  profile.saysBye = truth(value['saysBye']);
  profile.sessionLimit = isSessionLimit(value['sessionLimit']) ? value['sessionLimit'] : undefined;
  profile.methods = new Set(list(value['methods'], METHODS_MAX).filter(isMethodName));
  profile.startupsMs = list(value['startupsMs'], STARTUP_SAMPLES).filter(isStartup);
  const fill = isObject(value['fill']) ? value['fill'] : {};
  for (const method of FILL_METHODS) {
    const finding = findingOf(fill[method]);
    if (finding !== undefined) profile.fill.note(method, finding);
  }
}

function findingOf(value: unknown): FillFinding | undefined {
  if (!isObject(value)) return undefined;
  const verdict = oneOf(FILL_VERDICTS, value['verdict']);
  const { factor, unixMs } = value;
  if (verdict === undefined || !isWithin(factor, FACTOR_MAX) || !isWithin(unixMs, Number.MAX_SAFE_INTEGER))
    return undefined;
  return { verdict, factor, unixMs };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf<T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((one) => one === value);
}

function truth(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function list(value: unknown, most: number): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : [];
}

function isMethodName(value: unknown): value is string {
  return typeof value === 'string' && METHOD_NAME.test(value);
}

function isSessionLimit(value: unknown): value is number {
  return isWithin(value, SESSIONS_MAX) && Number.isInteger(value) && value >= 1;
}

function isStartup(value: unknown): value is number {
  return isWithin(value, LONGEST_STARTUP_MS);
}

function isWithin(value: unknown, most: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= most;
}
