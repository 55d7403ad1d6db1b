import React from 'react';
import { QueryEditorProps } from '@grafana/data';
import { Alert, InlineFieldRow } from '@grafana/ui';

import { DataSource } from '../datasource';
import { migrate } from '../query';
import { annotationKinds, Field, fieldsOf, queryTypes, scopesOf, spans, statistics, steps, typeOf } from '../queryTypes';
import { Options, Query, Scope, VariableKind, version } from '../types';
import { ChoiceField, ListField, TextField, Trouble, ValueField, ValuesField } from './fields';
import { kindWords } from './scopes';
import { useValues, Values } from './useValues';

type Props = QueryEditorProps<DataSource, Query, Options> & { only?: string }; // a query type that is not to be chosen

/** The editor of panels, of alert rules, of Explore, and of annotations. */
export function QueryEditor({ datasource, query: saved, onChange, onRunQuery, only }: Props) {
  const query = migrate(saved);
  const type = typeOf(query);
  const metric = query.metric ?? type?.metrics[0]?.value ?? '';
  const scopes = type ? scopesOf(type, metric) : [];
  const fields = type ? fieldsOf(type, metric) : [];
  const values = useValues(datasource, kindsOf(scopes, fields), query);
  const id = (field: string) => `fibergauge-${query.refId}-${field}`;

  const write = (part: Partial<Query>) => onChange(migrate({ ...query, version, ...part }));
  const choose = (part: Partial<Query>) => {
    write(part);
    onRunQuery();
  };

  return (
    <>
      <Trouble error={values.error} />
      {query.version !== version && (
        <Alert severity="warning" title={`A newer version of the plugin wrote this query (${query.version}; this one reads ${version})`}>
          Update the plugin. What is changed here is saved in the form of this version.
        </Alert>
      )}
      <InlineFieldRow>
        {only === undefined && (
          <ChoiceField
            id={id('type')} label="Query type" choices={queryTypes} value={query.queryType}
            tooltip={`What is asked. ${type?.description ?? 'Choose one from the list'}`}
            error={type ? undefined : `This version of the plugin knows no query type "${query.queryType}": choose another, or update the plugin`}
            onChange={(queryType) => choose(changeType(query, queryType))}
          />
        )}
        {type && type.metrics.length > 0 && (
          <ChoiceField
            id={id('metric')} label="Metric" choices={type.metrics} value={metric}
            tooltip={`What is drawn. ${type.metrics.find((m) => m.value === metric)?.description ?? ''}`}
            error={type.metrics.some((m) => m.value === metric) ? undefined : `${type.label} has no metric "${metric}": choose another`}
            onChange={(value) => choose({ metric: value })}
          />
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        {scopes.map((scope) => (
          <ValuesField
            key={scope} id={id(scope)} {...kindWords[scope]} kind={scope} values={values} value={query[scope]}
            onChange={(chosen) => choose({ [scope]: chosen })}
          />
        ))}
        {fields.map((field) => (
          <OtherField key={field} id={id(field)} field={field} query={query} values={values} choose={choose} write={write} onRunQuery={onRunQuery} />
        ))}
      </InlineFieldRow>
    </>
  );
}

function kindsOf(scopes: Scope[], fields: Field[]): VariableKind[] {
  const kinds: VariableKind[] = [...scopes];
  if (fields.includes('test')) {
    kinds.push('tests');
  }
  if (fields.includes('month')) {
    kinds.push('months');
  }
  return kinds;
}

// A metric that the new type has not is forgotten; what else is chosen stays,
// for whoever goes back to the old type.
function changeType(query: Query, queryType: string | undefined): Partial<Query> {
  const known = typeOf({ ...query, queryType })?.metrics.some((m) => m.value === query.metric);
  return { queryType, metric: known ? query.metric : undefined };
}

interface OtherProps {
  id: string;
  field: Field;
  query: Query;
  values: Values;
  choose: (part: Partial<Query>) => void;
  write: (part: Partial<Query>) => void;
  onRunQuery: () => void;
}

function OtherField({ id, field, query, values, choose, write, onRunQuery }: OtherProps) {
  switch (field) {
    case 'test':
      return <ValueField id={id} label="Test" tooltip="A test that the mesh names. Empty: the one that is judged" kind="tests" values={values} placeholder="The judged one" value={query.test} onChange={(test) => choose({ test })} />;
    case 'statistics':
      return <ListField id={id} label="Statistics" tooltip="What is taken of the packets of a step. Empty: the one that is judged" placeholder="The judged one" options={statistics} value={query.statistics} onChange={(chosen) => choose({ statistics: chosen })} />;
    case 'step':
      return <ChoiceField id={id} label="Step" tooltip="How much time a point stands for. Empty: what suits the time range" choices={steps} placeholder="What suits" value={query.step} onChange={(step) => choose({ step })} />;
    case 'month':
      return <ValueField id={id} label="Month" tooltip={`Such as 2025-06. Empty: ${everyMonth(query) ? 'every month that begins in the time range' : 'the newest with data that begins before the end of the time range'}`} kind="months" values={values} placeholder={everyMonth(query) ? 'Every' : 'Newest'} value={query.month} onChange={(month) => choose({ month })} />;
    case 'over':
      return <ChoiceField id={id} label="Over" tooltip="The month gives the official verdict; the time range gives the figures of exactly that time. Empty: month" choices={spans} placeholder="Month" value={query.over} onChange={(over) => choose({ over })} />;
    case 'kinds':
      return <ListField id={id} label="Kinds" tooltip="What is annotated. Empty: all" placeholder="All" options={annotationKinds} value={query.kinds} onChange={(kinds) => choose({ kinds })} />;
    case 'limit':
      return <TextField id={id} label="Rows" tooltip="At most so many rows, lines or values, the worst or highest first. Empty: all" placeholder="All" type="number" min={1} value={query.limit} onChange={(v) => write({ limit: v === '' ? undefined : Number(v) })} onBlur={onRunQuery} />;
    case 'dashboard':
      return <TextField id={id} label="Dashboard" tooltip="UID of the dashboard to which a cell leads. Empty: fibergauge-link" placeholder="fibergauge-link" value={query.dashboard} onChange={(dashboard) => write({ dashboard })} onBlur={onRunQuery} />;
    case 'alias':
      return <TextField id={id} label="Alias" tooltip="Name of a series. {{from}}, {{to}}, {{pair}}, {{carrier}}, {{plane}}, {{statistic}}, {{metric}}, {{site}} and {{month}} are replaced" placeholder={query.queryType === 'probe_series' ? '{{site}}' : '{{from}} > {{to}}'} value={query.alias} onChange={(alias) => write({ alias })} onBlur={onRunQuery} />;
  }
}

// A rate is of as many months as there are; all else that is of months is of one.
function everyMonth(query: Query): boolean {
  return query.queryType === 'rate';
}
