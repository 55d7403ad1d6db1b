import React, { ReactElement } from 'react';
import { Alert, InlineField, Input, MultiSelect, Select } from '@grafana/ui';

import { VariableKind } from '../types';
import { Option, Values, variableOptions } from './useValues';

// One width for all, in units of 8 pixels, so that fields stand below each other.
export const fieldWidth = 36;

// A value that is in no list is shown as it is, and not lost.
function withCurrent(options: Option[], current: string[]): Option[] {
  const unknown = current.filter((c) => !options.some((o) => o.value === c));
  return [...options, ...unknown.map((value) => ({ label: value, value }))];
}

interface FieldProps {
  id: string;
  label: string;
  labelWidth?: number;
  tooltip: string;
  error?: string;
  children: ReactElement;
}

export function Labelled({ id, label, labelWidth, tooltip, error, children }: FieldProps) {
  return (
    <InlineField label={label} labelWidth={labelWidth ?? 16} tooltip={tooltip} htmlFor={id} invalid={Boolean(error)} error={error}>
      {children}
    </InlineField>
  );
}

interface ChoiceProps {
  id: string;
  label: string;
  tooltip: string;
  choices: Option[];
  value?: string;
  custom?: boolean;
  loading?: boolean;
  placeholder?: string;
  error?: string;
  onChange: (value: string | undefined) => void;
}

/** One of a list; with a placeholder it may be none. */
export function ChoiceField({ id, label, tooltip, choices, value, custom, loading, placeholder, error, onChange }: ChoiceProps) {
  return (
    <Labelled id={id} label={label} tooltip={tooltip} error={error}>
      <Select
        inputId={id} aria-label={label} width={fieldWidth} menuShouldPortal
        options={withCurrent(choices, value === undefined ? [] : [value])} value={value ?? null}
        placeholder={placeholder} isClearable={placeholder !== undefined} allowCustomValue={custom} isLoading={loading}
        onChange={(option: Option | null) => onChange(option?.value)}
      />
    </Labelled>
  );
}

interface ListProps {
  id: string;
  label: string;
  tooltip: string;
  placeholder: string;
  options: Option[];
  value?: string[];
  custom?: boolean;
  loading?: boolean;
  error?: string;
  onChange: (value: string[] | undefined) => void;
}

/** Several of a list. */
export function ListField({ id, label, tooltip, placeholder, options, value, custom, loading, error, onChange }: ListProps) {
  return (
    <Labelled id={id} label={label} tooltip={tooltip} error={error}>
      <MultiSelect
        inputId={id} aria-label={label} width={fieldWidth} menuShouldPortal closeMenuOnSelect={false}
        options={withCurrent(options, value ?? [])} value={value ?? []} placeholder={placeholder}
        allowCustomValue={custom} isLoading={loading}
        onChange={(chosen: Option[]) => {
          const values = chosen.map((o) => o.value).filter((v): v is string => Boolean(v));
          onChange(values.length > 0 ? values : undefined);
        }}
      />
    </Labelled>
  );
}

interface ValuesProps {
  id: string;
  label: string;
  tooltip: string;
  kind: VariableKind;
  values: Values;
}

/** Several of what the analyzer knows of a kind, of variables, or of what is typed. */
export function ValuesField({ kind, values, ...rest }: ValuesProps & Pick<ListProps, 'value' | 'onChange'>) {
  return <ListField {...rest} placeholder="All" custom options={[...variableOptions(), ...(values.options[kind] ?? [])]} loading={values.loading} />;
}

/** One of what the analyzer knows of a kind, of variables, or of what is typed. */
export function ValueField({ kind, values, ...rest }: ValuesProps & Pick<ChoiceProps, 'value' | 'placeholder' | 'onChange'>) {
  return <ChoiceField {...rest} custom choices={[...variableOptions(), ...(values.options[kind] ?? [])]} loading={values.loading} />;
}

interface TextProps {
  id: string;
  label: string;
  labelWidth?: number;
  tooltip: string;
  placeholder: string;
  value?: string | number;
  type?: 'text' | 'number' | 'url';
  min?: number;
  error?: string;
  onChange: (value: string) => void;
  onBlur?: () => void;
}

export function TextField({ id, label, labelWidth, tooltip, placeholder, value, type, min, error, onChange, onBlur }: TextProps) {
  return (
    <Labelled id={id} label={label} labelWidth={labelWidth} tooltip={tooltip} error={error}>
      <Input
        id={id} width={fieldWidth} type={type ?? 'text'} min={min} value={value ?? ''} placeholder={placeholder} autoComplete="off"
        onChange={(e) => onChange(e.currentTarget.value)} onBlur={onBlur}
      />
    </Labelled>
  );
}

/** Why there is nothing to choose from, once for all fields. */
export function Trouble({ error }: { error?: string }) {
  return error === undefined ? null : (
    <Alert severity="warning" title={`No values to choose from: ${error}`}>
      Names can be typed all the same.
    </Alert>
  );
}
