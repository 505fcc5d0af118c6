{{- define "mosip-gateway.fullname" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* What pods are chosen by. A chart of one's own gives them to its pod in mode library. */}}
{{- define "mosip-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mosip-gateway.labels" -}}
{{ include "mosip-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What writes the pod: several that share a database replace each other, and one whose database is a file has a volume. */}}
{{- define "mosip-gateway.kind" -}}
{{ if .Values.postgresql.enabled }}Deployment{{ else }}StatefulSet{{ end }}
{{- end }}

{{/* Of the pod: secrets and the volume belong to this group; nobody else reads them. */}}
{{- define "mosip-gateway.podSecurityContext" -}}
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* The container. Beside others in its pod it is a native sidecar, which starts before them and ends after them: it stands under initContainers. */}}
{{- define "mosip-gateway.container" -}}
name: gateway
image: {{ required "image.repository: name your image" .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if ne .Values.mode "standalone" }}
restartPolicy: Always
{{- end }}
env:
  - { name: MOSIP_GATEWAY__KEYS__DIR, value: /data/secrets/mosip }
  {{- if .Values.postgresql.enabled }}
  - { name: MOSIP_GATEWAY__OUTBOX__URL_FILE, value: /run/secrets/mosip-gateway/outbox.url }
  - { name: MOSIP_GATEWAY__OUTBOX__STATE_FILE, value: /var/lib/mosip-gateway/gateway.state }
  {{- else }}
  - { name: MOSIP_GATEWAY__OUTBOX__PATH, value: /var/lib/mosip-gateway/outbox.db }
  {{- end }}
  - { name: MOSIP_GATEWAY__OUTBOX__KEY_FILE, value: /run/secrets/mosip-gateway/outbox.key }
  # The kubelet and Prometheus come from outside the pod. Off the loopback the page is there only with a token.
  - { name: MOSIP_GATEWAY__LISTEN__OPS, value: "0.0.0.0:4548" }
  - { name: MOSIP_GATEWAY__OPS__TOKEN_FILE, value: /run/secrets/mosip-gateway/ops.token }
  {{- if .Values.callback.enabled }}
  - { name: MOSIP_GATEWAY__LISTEN__CALLBACK, value: "0.0.0.0:4547" }
  {{- end }}
  {{- if .Values.faces.enabled }}
  - { name: MOSIP_GATEWAY__FACES__LISTEN, value: "0.0.0.0:4549" }
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - { name: ops, containerPort: 4548 }
  {{- if .Values.callback.enabled }}
  - { name: callback, containerPort: 4547 }
  {{- end }}
  {{- if .Values.faces.enabled }}
  - { name: faces, containerPort: 4549 }
  {{- end }}
# What depends on the gateway starts once events are taken. A newer version may first bring a large database up to its form.
startupProbe:
  httpGet: { path: /readyz, port: ops, scheme: {{ .Values.ops.scheme }} }
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 600
# Only a gateway that has hung is started again; one under a flood answers late.
livenessProbe:
  httpGet: { path: /livez, port: ops, scheme: {{ .Values.ops.scheme }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# 200 exactly while an event post would be taken, whatever the state of MOSIP and of the keys.
readinessProbe:
  httpGet: { path: /readyz, port: ops, scheme: {{ .Values.ops.scheme }} }
  periodSeconds: 5
  timeoutSeconds: 5
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - { name: config, mountPath: /etc/mosip-gateway, readOnly: true }
  - { name: keys, mountPath: /data/secrets/mosip, readOnly: true }
  - { name: secrets, mountPath: /run/secrets/mosip-gateway, readOnly: true }
  - { name: {{ if .Values.postgresql.enabled }}state{{ else }}outbox{{ end }}, mountPath: /var/lib/mosip-gateway }
{{- end }}

{{/* The volumes of the container but `outbox`, which a StatefulSet claims for its pod; with PostgreSQL there is
     `state` in its place, which keeps the last acknowledged commit for as long as the pod is there. */}}
{{- define "mosip-gateway.volumes" -}}
- name: config
  configMap: { name: {{ include "mosip-gateway.fullname" . }} }
- name: keys
  secret: { secretName: {{ .Values.secrets.keys }}, defaultMode: 0440 }
- name: secrets
  secret: { secretName: {{ .Values.secrets.files }}, defaultMode: 0440 }
{{- if .Values.postgresql.enabled }}
- name: state
  emptyDir: { sizeLimit: 1Mi }
{{- end }}
{{- end }}

{{/* The claim of the volume `outbox`. */}}
{{- define "mosip-gateway.outbox" -}}
metadata: { name: outbox }
spec:
  accessModes: [ReadWriteOnce]
  {{- with .Values.persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests: { storage: {{ .Values.persistence.size }} }
{{- end }}

{{/* Annotations of the pod: it is started anew when the configuration, which is read at start, is another. */}}
{{- define "mosip-gateway.podAnnotations" -}}
checksum/config: {{ list .Values.config .Values.configFiles | toJson | sha256sum }}
{{- end }}
