// Grafana loads module.js by AMD and gives it its own React and @grafana
// packages, whichever version it has, so none of them may be bundled, and JSX
// must become React.createElement, which all of them have.
module.exports = (_, { outputPath }) => ({
  mode: 'production',
  context: __dirname,
  entry: './src/module.ts',
  output: { path: outputPath, filename: 'module.js', library: { type: 'amd' } },
  externals: [/^react$/, /^react-dom$/, /^rxjs$/, /^lodash$/, /^@emotion\/css$/, /^@grafana\/(data|runtime|ui)$/],
  resolve: { extensions: ['.ts', '.tsx'] },
  module: {
    rules: [{
      test: /\.tsx?$/,
      loader: 'swc-loader',
      options: {
        jsc: {
          target: 'es2020',
          parser: { syntax: 'typescript', tsx: true },
          transform: { react: { runtime: 'classic' } },
        },
      },
    }],
  },
  devtool: false,
  performance: { hints: false },
});
