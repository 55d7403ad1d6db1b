import { DataSourcePlugin } from '@grafana/data';

import { DataSource } from './datasource';
import { ConfigEditor } from './editors/ConfigEditor';
import { QueryEditor } from './editors/QueryEditor';
import { VariableQueryEditor } from './editors/VariableQueryEditor';
import { Options, Query, Secrets } from './types';

export const plugin = new DataSourcePlugin<DataSource, Query, Options, Secrets>(DataSource)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor)
  .setVariableQueryEditor(VariableQueryEditor);
