import t from 'tap';

import { PopularityPolicy } from '../src/index.js';
import { FifoPolicy } from './fifo-policy.js';
import { policySuite } from './policy-suite.js';

await policySuite(t, 'fifo', () => new FifoPolicy());
await policySuite(t, 'popularity', () => new PopularityPolicy());
