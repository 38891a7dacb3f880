export { replay, type Outcome } from './replay.js';
