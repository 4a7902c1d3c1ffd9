{{/* At most 38 characters: the longest workload adds 13 and its revision 11, and such a label has 63 at most. */}}
{{- define "streamer.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 38 | trimSuffix "-" -}}
{{- end }}

{{- define "streamer.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "streamer.labels" -}}
{{ include "streamer.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What the pods have in common: no root, no rights, no token. */}}
{{- define "streamer.pod" -}}
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "streamer.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- with .Values.secretEnv }}
env:
  {{- range . }}
  - name: {{ .name }}
    valueFrom:
      secretKeyRef: { name: {{ .secretName }}, key: {{ .secretKey }} }
  {{- end }}
{{- end }}
{{- end }}

{{- define "streamer.mounts" -}}
- { name: config, mountPath: /etc/streamer/streamer.yaml, subPath: streamer.yaml, readOnly: true }
- { name: data, mountPath: /var/lib/streamer }
- { name: cache, mountPath: /var/cache/streamer }
- { name: tmp, mountPath: /tmp }
{{- if .Values.secretFiles }}
- { name: secrets, mountPath: /etc/streamer/secrets, readOnly: true }
{{- end }}
{{- end }}

{{- define "streamer.volumes" -}}
- name: config
  configMap: { name: {{ include "streamer.name" . }} }
- name: tmp
  emptyDir: {}
{{- if .Values.secretFiles }}
- name: secrets
  secret: { secretName: {{ .Values.secretFiles }}, defaultMode: 0400 }
{{- end }}
{{- end }}

{{- define "streamer.claim" -}}
- metadata: { name: {{ .name }} }
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .class }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: { storage: {{ .size }} }
{{- end }}
