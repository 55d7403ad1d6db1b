import { createRoot } from 'react-dom/client';

import { start } from './harness';

start((node, element) => createRoot(node).render(element));
