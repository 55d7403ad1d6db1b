import React from 'react';
import { QueryEditorProps } from '@grafana/data';

import { DataSource } from '../datasource';
import { Options, Query } from '../types';
import { QueryEditor } from './QueryEditor';

/** The editor of an annotation query, whose type there is nothing to choose of. */
export function AnnotationEditor(props: QueryEditorProps<any, Query, Options>) {
  const { query, datasource, ...rest } = props;
  return <QueryEditor {...rest} datasource={datasource as DataSource} query={{ ...query, queryType: 'annotations' }} only="annotations" />;
}
