import React from 'react';
import { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Alert, FieldSet, InlineSwitch, SecretInput, SecretTextArea } from '@grafana/ui';

import { Options, Secrets } from '../types';
import { fieldWidth, Labelled, TextField } from './fields';

type Props = DataSourcePluginOptionsEditorProps<Options, Secrets>;

const wide = 28; // the labels here are longer than those of a query

/** The settings of a data source. */
export function ConfigEditor(props: Props) {
  const { options, onOptionsChange } = props;
  const json = options.jsonData;
  const set = (part: Partial<Options>) => onOptionsChange({ ...options, jsonData: { ...json, ...part } });
  return (
    <>
      <FieldSet label="Analyzer">
        <TextField
          id="fibergauge-url" label="URL" labelWidth={wide} type="url" placeholder="https://analyzer.example:8470" value={options.url}
          tooltip="Where fibergauge-analyzer serve listens, as the machine of Grafana reaches it"
          error={urlError(options.url)} onChange={(url) => onOptionsChange({ ...options, url: url.trim() })}
        />
        <Secret {...props} name="token" label="Token" placeholder="Token of a reader" tooltip="The token of a reader of the analyzer. What its role may see, all who use this data source see. Empty if the analyzer asks for none" />
        <TextField
          id="fibergauge-timeout" label="Timeout" labelWidth={wide} type="number" min={1} placeholder="30" value={json.timeout}
          tooltip="After how many seconds without an answer a query fails" onChange={(v) => set({ timeout: seconds(v) })}
        />
        <Switch id="fibergauge-plain" label="Token over plain HTTP" value={json.plainHTTP} onChange={(plainHTTP) => set({ plainHTTP })} tooltip="Sends the token over http to another machine, too. Whoever listens on the way can read it, so leave this off but in a network that you trust" />
        {unsafe(options.url, json.plainHTTP) && (
          <Alert severity="warning" title="The token is not sent over http">
            Use https, or allow a token over plain HTTP. To the machine of Grafana itself it is sent.
          </Alert>
        )}
      </FieldSet>
      <FieldSet label="TLS">
        <TextField
          id="fibergauge-server-name" label="Server name" labelWidth={wide} placeholder="Name in the URL" value={json.serverName}
          tooltip="The name that the certificate of the analyzer has to be for, if it is another than in the URL" onChange={(serverName) => set({ serverName: serverName || undefined })}
        />
        <Switch id="fibergauge-ca" label="Own authority" value={json.tlsAuthWithCACert} onChange={(tlsAuthWithCACert) => set({ tlsAuthWithCACert })} tooltip="The certificate of the analyzer is signed by an authority of your own, which the machine of Grafana does not know" />
        {json.tlsAuthWithCACert && <Secret {...props} area name="tlsCACert" label="Certificate of the authority" placeholder="-----BEGIN CERTIFICATE-----" tooltip="Certificate of the authority, in PEM" />}
        <Switch id="fibergauge-client" label="Client certificate" value={json.tlsAuth} onChange={(tlsAuth) => set({ tlsAuth })} tooltip="Grafana shows a certificate of its own, for an analyzer, or a proxy before it, that asks for one" />
        {json.tlsAuth && <Secret {...props} area name="tlsClientCert" label="Certificate" placeholder="-----BEGIN CERTIFICATE-----" tooltip="Certificate that Grafana shows, in PEM" />}
        {json.tlsAuth && <Secret {...props} area name="tlsClientKey" label="Key" placeholder="-----BEGIN PRIVATE KEY-----" tooltip="Private key of that certificate, in PEM" />}
        <Switch id="fibergauge-skip" label="Skip verification" value={json.tlsSkipVerify} onChange={(tlsSkipVerify) => set({ tlsSkipVerify })} tooltip="Takes any certificate, so anybody on the way can pass for the analyzer and have the token. For a first try only" />
      </FieldSet>
    </>
  );
}

function Switch({ id, label, tooltip, value, onChange }: { id: string; label: string; tooltip: string; value?: boolean; onChange: (value: boolean) => void }) {
  return (
    <Labelled id={id} label={label} labelWidth={wide} tooltip={tooltip}>
      <InlineSwitch id={id} value={Boolean(value)} onChange={(e) => onChange(e.currentTarget.checked)} />
    </Labelled>
  );
}

type SecretProps = Props & { name: keyof Secrets; label: string; tooltip: string; placeholder: string; area?: boolean };

/** A setting that Grafana keeps and does not show again. */
function Secret({ options, onOptionsChange, name, label, tooltip, placeholder, area }: SecretProps) {
  const id = `fibergauge-${name}`;
  const write = (value: string, configured: boolean) =>
    onOptionsChange({
      ...options,
      secureJsonFields: { ...options.secureJsonFields, [name]: configured },
      secureJsonData: { ...options.secureJsonData, [name]: value },
    });
  const shared = {
    id, placeholder,
    isConfigured: Boolean(options.secureJsonFields?.[name]),
    value: options.secureJsonData?.[name] ?? '',
    onReset: () => write('', false),
  };
  return (
    <Labelled id={id} label={label} labelWidth={wide} tooltip={tooltip}>
      {area ? (
        <SecretTextArea {...shared} rows={6} cols={64} onChange={(e) => write(e.currentTarget.value, false)} />
      ) : (
        <SecretInput {...shared} width={fieldWidth} autoComplete="new-password" onChange={(e) => write(e.currentTarget.value, false)} />
      )}
    </Labelled>
  );
}

function seconds(typed: string): number | undefined {
  const n = Number(typed);
  return Number.isFinite(n) && n > 0 ? n : undefined;
}

function urlError(url: string | undefined): string | undefined {
  return !url || /^https?:\/\/[^/]/.test(url) ? undefined : 'Begin with https:// or http://';
}

// The back end decides; this is said early, where it can be mended.
function unsafe(url: string, allowed: boolean | undefined): boolean {
  return /^http:\/\//.test(url ?? '') && !allowed && !/^http:\/\/(localhost|127\.[\d.]+|\[::1\])([:/]|$)/.test(url);
}
