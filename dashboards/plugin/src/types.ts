import { DataQuery, DataSourceJsonData } from '@grafana/data';

/** The lists by which a query is narrowed; docs/grafana.md names their elements. */
export const scopes = ['hubs', 'clusters', 'carriers', 'planes', 'pairs', 'ends', 'sites'] as const;
export type Scope = typeof scopes[number];

/** The form of a query that this plugin writes. */
export const version = 1;

/** A query, as docs/grafana.md has it. */
export interface Query extends DataQuery {
  version?: number;
  hubs?: string[];
  clusters?: string[];
  carriers?: string[];
  planes?: string[];
  pairs?: string[];
  ends?: string[];
  sites?: string[];
  test?: string;
  metric?: string;
  statistics?: string[];
  step?: string;
  alias?: string;
  month?: string;
  over?: string;
  limit?: number;
  kinds?: string[];
  dashboard?: string;
}

export const variableKinds = [...scopes, 'tests', 'months'] as const;
export type VariableKind = typeof variableKinds[number];

/** What a dashboard variable asks. */
export interface VariableQuery {
  kind: string;
  hubs?: string[];
  clusters?: string[];
  carriers?: string[];
  planes?: string[];
  pairs?: string[];
  ends?: string[];
  sites?: string[];
}

/** Settings that everybody may read who may see the data source. */
export interface Options extends DataSourceJsonData {
  timeout?: number;
  plainHTTP?: boolean;
  serverName?: string;
  tlsSkipVerify?: boolean;
  tlsAuth?: boolean;
  tlsAuthWithCACert?: boolean;
}

/** Settings that never come back from Grafana. */
export interface Secrets {
  token?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}
