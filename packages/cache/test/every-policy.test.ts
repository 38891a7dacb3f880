import t from 'tap';

import { FifoPolicy } from './fifo-policy.js';
import { policySuite } from './policy-suite.js';

await policySuite(t, 'fifo', () => new FifoPolicy());
