// What Grafana is to the plugin, as far as its editors need it: the packages of
// one version, given by AMD; a back end and variables that the test decides; and
// a page on which an editor stands and remembers what was changed.
import * as data from '@grafana/data';
import * as runtime from '@grafana/runtime';
import * as ui from '@grafana/ui';
import * as React from 'react';
import * as ReactDOM from 'react-dom';
import * as rxjs from 'rxjs';

const ThemeContext = ui.ThemeContext ?? data.ThemeContext; // moved after 9.3
const packages = { '@grafana/data': data, '@grafana/runtime': runtime, '@grafana/ui': ui, react: React, 'react-dom': ReactDOM, rxjs };

const state = { values: {}, failure: null, variables: {}, asked: [], changes: [], runs: 0, crash: '' };
let plugin;

window.define = (names, factory) => {
  plugin = factory(...names.map((name) => packages[name] ?? fail(`the plugin asks for ${name}`))).plugin;
};

function fail(why) {
  throw new Error(why);
}

runtime.setBackendSrv({
  fetch: ({ url, params }) => {
    state.asked.push({ path: url.replace(/.*\/resources\//, ''), params });
    if (state.failure !== null) {
      return rxjs.throwError(() => ({ status: 502, statusText: 'Bad Gateway', data: state.failure }));
    }
    return rxjs.of({ status: 200, data: state.values[params.kind] ?? [] });
  },
});

// As Grafana's: a format is asked only for a variable that names none itself.
runtime.setTemplateSrv({
  getVariables: () => Object.keys(state.variables).map((name) => ({ name, type: 'query' })),
  containsTemplate: (target) => /\$/.test(target ?? ''),
  updateTimeRange: () => {},
  replace: (target, scoped, format) =>
    (target ?? '').replace(/\$(\w+)|\$\{(\w+)(?::(\w+))?\}/g, (whole, bare, braced, own) => {
      const value = scoped?.[bare ?? braced]?.value ?? state.variables[bare ?? braced];
      if (value === undefined) {
        return whole;
      }
      if (own !== 'csv' && typeof format === 'function') {
        return format(value, {}, () => '');
      }
      return [].concat(value).join(',');
    }),
});

const settings = { id: 7, uid: 'f', type: 'fibergauge-latency-datasource', name: 'Fibergauge', meta: {}, jsonData: {}, access: 'proxy', readOnly: false };

class Boundary extends React.Component {
  state = { crashed: false };
  static getDerivedStateFromError() {
    return { crashed: true };
  }
  componentDidCatch(error) {
    state.crash = String(error?.stack ?? error);
  }
  render() {
    return this.state.crashed ? 'crashed' : this.props.children;
  }
}

function Stage({ editor, initial, datasource }) {
  const [value, setValue] = React.useState(initial);
  const change = (next) => {
    state.changes.push(JSON.parse(JSON.stringify(next)));
    setValue(next);
  };
  const { ConfigEditor, QueryEditor, VariableQueryEditor } = plugin.components;
  const run = () => state.runs++;
  switch (editor) {
    case 'config':
      return <ConfigEditor options={value} onOptionsChange={change} />;
    case 'variable':
      return <VariableQueryEditor datasource={datasource} query={value} onChange={change} />;
    case 'annotation': {
      const Editor = datasource.annotations.QueryEditor;
      return <Editor datasource={datasource} query={value} onChange={change} onRunQuery={run} />;
    }
    default:
      return <QueryEditor datasource={datasource} query={value} onChange={change} onRunQuery={run} />;
  }
}

/** @param render puts an element into a node, in the way of this React */
export function start(render) {
  const datasource = () => Object.assign(new plugin.DataSourceClass(settings), { id: 7, uid: 'f' });
  window.harness = {
    state,
    react: React.version,
    reset: () => Object.assign(state, { values: {}, failure: null, variables: {}, asked: [] }) && null,
    datasource,
    show(editor, initial, mode) {
      Object.assign(state, { asked: [], changes: [], runs: 0, crash: '' });
      document.querySelectorAll('.stage').forEach((old) => old.remove());
      const node = document.body.appendChild(Object.assign(document.createElement('main'), { className: 'stage' }));
      const theme = data.createTheme({ colors: { mode } });
      document.body.style.background = theme.colors.background.primary;
      render(node, (
        <ThemeContext.Provider value={theme}>
          <ui.GlobalStyles />
          <ui.PortalContainer />
          <Boundary>
            <Stage editor={editor} initial={initial} datasource={datasource()} />
          </Boundary>
        </ThemeContext.Provider>
      ));
    },
  };
}
