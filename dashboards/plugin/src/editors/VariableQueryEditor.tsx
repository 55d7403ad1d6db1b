import React from 'react';
import { InlineFieldRow } from '@grafana/ui';

import { DataSource } from '../datasource';
import { migrateVariable } from '../query';
import { Scope, variableKinds, VariableQuery } from '../types';
import { ChoiceField, Trouble, ValuesField } from './fields';
import { kindWords } from './scopes';
import { useValues } from './useValues';

interface Props {
  datasource: DataSource;
  query: unknown;
  onChange: (query: VariableQuery, definition: string) => void;
}

// What can be narrowed by what. Sites belong to clusters and carriers; pairs and
// ends are what is found, not what one narrows by.
const by: Scope[] = ['hubs', 'clusters', 'carriers', 'planes'];

/** The editor of a dashboard's variable. */
export function VariableQueryEditor({ datasource, query: saved, onChange }: Props) {
  const query = migrateVariable(saved);
  const narrowing = query.kind === 'tests' || query.kind === 'months' ? [] : by.filter((scope) => scope !== query.kind);
  const values = useValues(datasource, narrowing, query);
  const write = (part: Partial<VariableQuery>) => {
    const next = migrateVariable({ ...query, ...part });
    onChange(next, definition(next));
  };
  const known = variableKinds.some((k) => k === query.kind);
  return (
    <>
      <Trouble error={values.error} />
      <ChoiceField
        id="fibergauge-variable-kind" label="Values of" tooltip="What the variable has to choose from"
        choices={variableKinds.map((value) => ({ value, label: kindWords[value].label }))} value={query.kind}
        error={known ? undefined : `This version of the plugin knows no values of kind "${query.kind}": choose another`}
        onChange={(kind) => write({ kind })}
      />
      <InlineFieldRow>
        {narrowing.map((scope) => (
          <ValuesField
            key={scope} id={`fibergauge-variable-${scope}`} {...kindWords[scope]} kind={scope} values={values} value={query[scope]}
            onChange={(chosen) => write({ [scope]: chosen })}
          />
        ))}
      </InlineFieldRow>
    </>
  );
}

/** What Grafana shows of the variable in its list. */
function definition({ kind, ...chosen }: VariableQuery): string {
  const narrowed = Object.entries(chosen).map(([scope, values]) => `${scope} ${(values as string[]).join(', ')}`);
  return [kind, ...narrowed].join('; ');
}
