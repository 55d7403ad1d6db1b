import { VariableKind } from '../types';

/** The words for each kind of value, where it is chosen. */
export const kindWords: Record<VariableKind, { label: string; tooltip: string }> = {
  hubs: { label: 'Hubs', tooltip: 'Only what begins or ends at these hubs. Empty: all' },
  clusters: { label: 'Clusters', tooltip: 'Only what begins or ends at these clusters. Empty: all' },
  carriers: { label: 'Carriers', tooltip: 'Only the links of these carriers. Empty: all' },
  planes: { label: 'Planes', tooltip: 'Only these planes of the network, such as optical or ip. Empty: all' },
  pairs: { label: 'Pairs', tooltip: 'Only these pairs of clusters, such as yrd/wuh. Empty: all' },
  ends: { label: 'Ends', tooltip: 'Only these ends: the site that measures and the site that answers, such as yrd-a>wuh-a. Empty: all' },
  sites: { label: 'Sites', tooltip: 'Only these sites, where a probe stands. Empty: all' },
  tests: { label: 'Tests', tooltip: 'Tests that the mesh names' },
  months: { label: 'Months', tooltip: 'Months of which there is data' },
};
