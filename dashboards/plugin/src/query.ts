import { Query, scopes, VariableQuery, version } from './types';

/** What a new query asks, so that a new panel shows something at once. */
export const defaults: Partial<Query> = { version, queryType: 'series', metric: 'ratio', statistics: ['p95'] };

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

function list(value: unknown): string[] | undefined {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  const kept = all.map(text).filter((v): v is string => v !== undefined);
  return kept.length > 0 ? kept : undefined;
}

function positive(value: unknown): number | undefined {
  const n = typeof value === 'string' ? Number(value) : value;
  return typeof n === 'number' && Number.isInteger(n) && n > 0 ? n : undefined;
}

/** The version of a saved query if it is newer than this, else this one. */
export function newer(saved: unknown): number {
  return typeof saved === 'number' && saved > version ? saved : version;
}

const texts = ['test', 'metric', 'step', 'alias', 'month', 'over', 'dashboard'] as const;
const lists = [...scopes, 'statistics', 'kinds'] as const;

/**
 * A saved query as this version has it. It may be of an older or newer version,
 * or written by hand: what has the wrong type is left out, what is not known is
 * kept, and a query type or version that is not known is left for the editor, and
 * the back end, to tell.
 */
export function migrate(saved: unknown): Query {
  const from = (typeof saved === 'object' && saved !== null && !Array.isArray(saved) ? saved : {}) as Record<string, unknown>;
  const query: Record<string, unknown> = { ...from, version: newer(from.version), refId: text(from.refId) ?? 'A', queryType: text(from.queryType) ?? 'series' };
  for (const field of texts) {
    set(query, field, text(from[field]));
  }
  for (const field of lists) {
    set(query, field, list(from[field]));
  }
  set(query, 'limit', positive(from.limit));
  return query as unknown as Query;
}

/** A saved variable query, which an older Grafana may have saved as the kind alone. */
export function migrateVariable(saved: unknown): VariableQuery {
  const from = (typeof saved === 'object' && saved !== null ? saved : { kind: saved }) as Record<string, unknown>;
  const query: Record<string, unknown> = { kind: text(from.kind) ?? 'hubs' };
  for (const field of scopes) {
    set(query, field, list(from[field]));
  }
  return query as unknown as VariableQuery;
}

// What is undefined is left out: a saved dashboard holds no empty fields.
function set(query: Record<string, unknown>, field: string, value: unknown) {
  if (value === undefined) {
    delete query[field];
  } else {
    query[field] = value;
  }
}

/** Replaces the variables in a text, in the way of Grafana's TemplateSrv. */
export type Replace = (target: string, format?: (value: string | string[]) => string) => string;

const every = ['', '*', '$__all'];

/**
 * The elements of a list with the values of variables in them. A variable with
 * several values makes several elements, also inside of one ("$a/$b" makes every
 * pair). If one element is everything, the list is, and so it is empty.
 */
export function expandList(elements: string[] | undefined, replace: Replace): string[] {
  const expanded: string[] = [];
  for (const element of elements ?? []) {
    for (const value of expandElement(element, replace)) {
      if (every.includes(value)) {
        return [];
      }
      if (!expanded.includes(value)) {
        expanded.push(value);
      }
    }
  }
  return expanded;
}

function expandElement(element: string, replace: Replace): string[] {
  if (every.includes(element.trim())) {
    return [''];
  }
  // Where a variable stood, the number of its values between marks that no name has.
  const values: string[][] = [];
  const marked = replace(element, (value) => {
    const several = (Array.isArray(value) ? value : [value]).map(String);
    values.push(several.length > 0 ? several : ['']);
    return `\u0000${values.length - 1}\u0000`;
  });
  let made = [''];
  marked.split('\u0000').forEach((part, i) => {
    const next = i % 2 === 0 ? [part] : values[Number(part)] ?? [''];
    made = made.flatMap((head) => next.map((tail) => head + tail));
  });
  // "${hub:csv}" has a format of its own, and an identifier has no comma.
  return made.flatMap((m) => m.split(',')).map((m) => m.trim());
}

/** A text with the values of variables in it; everything is nothing. */
export function expandText(value: string | undefined, replace: Replace): string | undefined {
  if (value === undefined) {
    return undefined;
  }
  const replaced = replace(value).trim();
  return every.includes(replaced) ? undefined : replaced;
}

/** A query as the back end gets it: without variables. */
export function expand(saved: unknown, replace: Replace): Query {
  const query: Query = migrate(saved);
  for (const scope of scopes) {
    const values = expandList(query[scope], replace);
    if (values.length > 0) {
      query[scope] = values;
    } else {
      delete query[scope];
    }
  }
  for (const field of ['test', 'month', 'alias'] as const) {
    set(query as unknown as Record<string, unknown>, field, expandText(query[field], replace));
  }
  return query;
}
