import { Query, Scope } from './types';

/** One thing to choose, with what it means. */
export interface Choice {
  value: string;
  label: string;
  description?: string;
}

/** What a query type uses besides its scope and its metrics. */
export type Field = 'test' | 'statistics' | 'step' | 'month' | 'over' | 'limit' | 'kinds' | 'dashboard' | 'alias';

/** A query type: which fields of a query have a meaning for it. */
export interface QueryType extends Choice {
  scopes: Scope[];
  fields: Field[];
  metrics: Choice[]; // the first is the default
}

const clusters: Scope[] = ['hubs', 'clusters', 'carriers', 'planes'];
const links: Scope[] = [...clusters, 'pairs'];
const ends: Scope[] = [...links, 'ends'];
const probes: Scope[] = [...clusters, 'sites'];
const rates: Scope[] = ['hubs', 'carriers', 'planes'];

const ratio: Choice = { value: 'ratio', label: 'Ratio', description: 'RTT divided by the theoretical RTT of the link' };
const rtt: Choice = { value: 'rtt', label: 'RTT', description: 'Round-trip time in ms' };
const loss: Choice = { value: 'loss', label: 'Loss', description: 'Packets that did not come back, in percent' };
const waited: Choice = { value: 'waited', label: 'Waited', description: 'How long windows waited until they were admitted, in s' };
const missing: Choice = { value: 'missing', label: 'Missing', description: 'Windows that never came, in percent' };

export const queryTypes: QueryType[] = [
  {
    value: 'series', label: 'Series', description: 'What each end of a link measured, over time',
    scopes: ends, fields: ['test', 'statistics', 'step', 'alias'],
    metrics: [
      rtt, ratio, loss,
      { value: 'ipdv', label: 'Delay variation', description: 'Difference between packets that follow each other, in ms' },
      { value: 'packets', label: 'Packets', description: 'Packets that were sent' },
      { value: 'limit', label: 'Limit', description: 'RTT that a link may have, in ms; once a link' },
      { value: 'theoretical', label: 'Theoretical RTT', description: 'RTT that light needs for the distance, in ms; once a link' },
    ],
  },
  {
    value: 'heatmap', label: 'Heatmap', description: 'How many packets took how long, over time; of all ends together',
    scopes: ends, fields: ['test', 'step'], metrics: [],
  },
  {
    value: 'rate', label: 'Rate', description: 'Compliant pairs in percent, month by month, beside the target',
    scopes: rates, fields: ['month'], metrics: [],
  },
  {
    value: 'verdicts', label: 'Verdicts', description: 'The verdict on each pair, month by month, for a state timeline',
    scopes: links, fields: ['limit'], metrics: [],
  },
  {
    value: 'matrix', label: 'Matrix', description: 'A table from clusters to clusters; each cell leads to its link',
    scopes: links, fields: ['month', 'over', 'dashboard'],
    metrics: [ratio, rtt, { value: 'verdict', label: 'Verdict', description: 'Compliant, non-compliant or not demonstrated' }],
  },
  {
    value: 'pairs', label: 'Pairs', description: 'A table of pairs with verdict, figures, reasons and diagnosis; worst first',
    scopes: links, fields: ['month', 'over', 'limit', 'dashboard'], metrics: [],
  },
  {
    value: 'changes', label: 'Changes', description: 'The time range beside the time of the same length before it; largest change first',
    scopes: ends, fields: ['test', 'limit', 'dashboard'], metrics: [],
  },
  {
    value: 'sites', label: 'Map of sites', description: 'Sites with their places, for a map',
    scopes: clusters, fields: ['month', 'over'], metrics: [],
  },
  {
    value: 'links', label: 'Map of links', description: 'Links with the places of both sides, for a map',
    scopes: links, fields: ['month', 'over'], metrics: [],
  },
  {
    value: 'probes', label: 'Probes', description: 'A table of probes: alive or silent, clock, timestamps, missing windows',
    scopes: probes, fields: [], metrics: [],
  },
  {
    value: 'probe_series', label: 'Probe series', description: 'How well each probe worked, over time',
    scopes: probes, fields: ['alias'],
    metrics: [
      missing, waited,
      { value: 'clock_error', label: 'Clock error', description: 'What the clock may be wrong by, in µs' },
      { value: 'clock_ppm', label: 'Clock frequency', description: 'By how much the clock is too fast or slow, in ppm' },
      { value: 'unsynchronised', label: 'Unsynchronised', description: 'Windows with a clock that followed no source, in percent' },
      { value: 'user_timestamps', label: 'User timestamps', description: 'Windows whose moments were taken outside the kernel, in percent' },
      { value: 'clock_steps', label: 'Clock steps', description: 'How often the clock was set' },
      { value: 'late', label: 'Late packets', description: 'Packets that came back after the time to wait' },
      { value: 'duplicate', label: 'Duplicate packets', description: 'Packets that came back more than once' },
      { value: 'send_error', label: 'Packets not sent', description: 'Packets that the host did not send' },
      { value: 'unstamped', label: 'Unstamped packets', description: 'Packets without a moment from the kernel' },
      { value: 'admissions', label: 'Admissions', description: 'How often the collector stored windows of the probe' },
    ],
  },
  {
    value: 'now', label: 'One value, for alerting', description: 'One value for each end, probe or month, over the whole time range',
    scopes: [...ends, 'sites'], fields: ['test', 'month', 'limit', 'alias'],
    metrics: [
      ratio, rtt, loss,
      { value: 'silent', label: 'Silent', description: 'Since when nothing came from a probe, in s' },
      { value: 'unsynchronised', label: 'Unsynchronised', description: '1 if the clock of a probe follows no source, else 0' },
      waited, missing,
      { value: 'rate', label: 'Rate', description: 'Compliant pairs of a month in percent' },
      { value: 'rate_margin', label: 'Margin of the rate', description: 'Rate less the target, in percent; below 0 the target is missed' },
    ],
  },
  {
    value: 'annotations', label: 'Annotations', description: 'Maintenance and what happened to paths and clocks',
    scopes: links, fields: ['kinds'], metrics: [],
  },
];

export const statistics: Choice[] = [
  { value: 'min', label: 'Minimum' },
  { value: 'p50', label: 'Median' },
  { value: 'p95', label: '95th percentile' },
  { value: 'p99', label: '99th percentile' },
  { value: 'mean', label: 'Mean' },
];

export const steps: Choice[] = [
  { value: 'window', label: 'Window', description: 'As it was measured' },
  { value: 'hour', label: 'Hour' },
  { value: 'day', label: 'Day' },
];

export const spans: Choice[] = [
  { value: 'month', label: 'Month', description: 'The official verdict of a calendar month' },
  { value: 'range', label: 'Time range', description: 'The time range of the dashboard, exactly' },
];

export const annotationKinds: Choice[] = [
  { value: 'maintenance', label: 'Maintenance' },
  { value: 'path_change', label: 'Path change' },
  { value: 'clock_step', label: 'Clock step' },
  { value: 'distance_change', label: 'Distance change' },
];

const ofProbes = ['silent', 'unsynchronised', 'waited', 'missing'];
const ofMonths = ['rate', 'rate_margin'];
const measured = ['rtt', 'ratio', 'ipdv'];

/** The query type of a query; undefined if this version knows none of that name. */
export function typeOf(query: Query): QueryType | undefined {
  return queryTypes.find((t) => t.value === query.queryType);
}

/** The lists that have a meaning for a query: what `now` asks depends on its metric. */
export function scopesOf(type: QueryType, metric: string): Scope[] {
  if (type.value !== 'now') {
    return type.scopes;
  }
  return ofProbes.includes(metric) ? probes : ofMonths.includes(metric) ? rates : ends;
}

/** The other fields that have a meaning for a query. */
export function fieldsOf(type: QueryType, metric: string): Field[] {
  const idle: Field[] = [];
  if (type.metrics.length > 0 && !measured.includes(metric)) {
    idle.push('statistics'); // counts and limits have none
  }
  if (type.value === 'now') {
    idle.push(...((ofMonths.includes(metric) ? ['test'] : ['month']) as Field[]));
    if (ofProbes.includes(metric)) {
      idle.push('test');
    }
  }
  if (type.value === 'series' && (metric === 'limit' || metric === 'theoretical')) {
    idle.push('test', 'step');
  }
  return type.fields.filter((f) => !idle.includes(f));
}
