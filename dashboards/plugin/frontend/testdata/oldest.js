import { render } from 'react-dom';

import { start } from './harness';

start((node, element) => render(element, node));
