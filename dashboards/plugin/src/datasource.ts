import {
  AnnotationQuery, AnnotationSupport, CoreApp, DataSourceInstanceSettings, MetricFindValue, ScopedVars,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';

import { AnnotationEditor } from './editors/AnnotationEditor';
import { defaults, expand, expandList, migrate, migrateVariable } from './query';
import { Options, Query, scopes, VariableQuery } from './types';

/** What the back end answers of the values that there are. */
interface Value {
  text: string;
  value: string;
}

function isValue(v: unknown): v is Value {
  const { text, value } = (v ?? {}) as Partial<Value>;
  return typeof text === 'string' && typeof value === 'string';
}

export class DataSource extends DataSourceWithBackend<Query, Options> {
  annotations: AnnotationSupport<Query> = {
    QueryEditor: AnnotationEditor,
    prepareAnnotation: (saved: any): AnnotationQuery<Query> => ({ ...saved, target: annotationQuery(saved?.target) }),
    prepareQuery: (annotation: { target?: unknown }) => annotationQuery(annotation.target),
  };

  constructor(settings: DataSourceInstanceSettings<Options>) {
    super(settings);
  }

  getDefaultQuery(_: CoreApp): Partial<Query> {
    return defaults;
  }

  filterQuery(query: Query): boolean {
    return !query.hide;
  }

  applyTemplateVariables(query: Query, scopedVars: ScopedVars): Query {
    return expand(query, (target, format) => getTemplateSrv().replace(target, scopedVars, format));
  }

  async metricFindQuery(saved: unknown, options?: { scopedVars?: ScopedVars }): Promise<MetricFindValue[]> {
    return this.values(migrateVariable(saved), options?.scopedVars);
  }

  /** The values that there are of a kind, in the scope of a query. */
  async values(query: VariableQuery, scopedVars?: ScopedVars): Promise<Value[]> {
    const params: Record<string, string | string[]> = { kind: query.kind };
    for (const scope of scopes) {
      const values = expandList(query[scope], (target, format) => getTemplateSrv().replace(target, scopedVars, format));
      if (values.length > 0) {
        params[scope] = values;
      }
    }
    // Whoever asks shows the error where it matters; Grafana's alert would be a second.
    const answer: unknown = await this.getResource('values', params, { showErrorAlert: false });
    if (!Array.isArray(answer) || !answer.every(isValue)) {
      throw new Error('the back end of the plugin answers something else than values: front end and back end must be of the same version');
    }
    return answer;
  }
}

function annotationQuery(target: unknown): Query {
  return { ...migrate({ refId: 'Anno', ...(target as object) }), queryType: 'annotations' };
}
