import { ask } from './api.js';
import { History } from './history.js';
import { show, showSilence } from './panels.js';
import { Samples } from './samples.js';

const LOOK_EVERY_MS = 2000;

const history = new History();
let answeredMs = Date.now();

/** Asks and shows, for ever; of a page that nobody sees it asks nothing. */
async function look(): Promise<void> {
  if (!document.hidden) {
    try {
      const answers = await ask(LOOK_EVERY_MS);
      answeredMs = Date.now();
      history.add(answeredMs, new Samples(answers.metrics));
      show(history, answers, answeredMs);
    } catch {
      showSilence(Date.now() - answeredMs);
    }
  }
  setTimeout(() => void look(), LOOK_EVERY_MS);
}

void look();
