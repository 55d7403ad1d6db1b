import { useEffect, useState } from 'react';
import { SelectableValue } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';

import { DataSource } from '../datasource';
import { Scope, scopes, VariableKind, VariableQuery } from '../types';

export type Option = SelectableValue<string>;

/** What there is to choose from. */
export interface Values {
  options: Partial<Record<VariableKind, Option[]>>;
  loading: boolean;
  error?: string; // why there is nothing
}

/** The dashboard's variables, to choose from beside the values. */
export function variableOptions(): Option[] {
  return getTemplateSrv().getVariables().map(({ name }) => ({ label: `$${name}`, value: `$${name}`, description: 'Variable of the dashboard' }));
}

/** The words of an error, whatever was thrown: Grafana's fetch throws an object. */
export function words(thrown: unknown): string {
  const { data, message, statusText } = (thrown ?? {}) as { data?: { message?: unknown; error?: unknown }; message?: unknown; statusText?: unknown };
  const said = [data?.message, data?.error, message, statusText].find((m) => typeof m === 'string' && m !== '');
  return String(said ?? 'the back end of the plugin did not answer; is the data source saved?');
}

/**
 * What the back end knows of some kinds, each narrowed by what is chosen of the
 * kinds before it. A failure is words to show, and stops nothing.
 */
export function useValues(datasource: DataSource, kinds: VariableKind[], chosen: Partial<Record<Scope, string[]>>): Values {
  const [values, setValues] = useState<Values>({ options: {}, loading: true });
  const asked = JSON.stringify(kinds.map((kind) => narrowed(kind, chosen))); // new objects each time
  useEffect(() => {
    let gone = false;
    const queries: VariableQuery[] = JSON.parse(asked);
    setValues((before) => ({ options: before.options, loading: true }));
    Promise.all(queries.map((q) => datasource.values(q))).then(
      (answers) => {
        const options = Object.fromEntries(queries.map(({ kind }, i) => [kind, answers[i].map(({ text, value }) => ({ label: text, value }))]));
        gone || setValues({ options, loading: false });
      },
      (thrown) => gone || setValues({ options: {}, loading: false, error: words(thrown) })
    );
    return () => {
      gone = true; // an answer that comes after a newer question
    };
  }, [datasource, asked]);
  return values;
}

function narrowed(kind: VariableKind, chosen: Partial<Record<Scope, string[]>>): VariableQuery {
  const before = scopes.slice(0, Math.max(0, scopes.indexOf(kind as Scope)));
  return { ...Object.fromEntries(before.filter((s) => chosen[s]).map((s) => [s, chosen[s]])), kind };
}
