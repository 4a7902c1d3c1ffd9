{{- /* What no schema can say: where values do not fit each other. */ -}}
{{- define "streamer.checks" -}}
{{- $config := .Values.config }}
{{- if not $config.streams }}{{ fail "config.streams names no topics to score" }}{{ end }}
{{- $said := toJson $config }}
{{- if contains "\"password_file\":\"" $said }}
{{- fail "give passwords as password_env: a pod's group may read a secret's files, and such a password file is refused" }}
{{- end }}
{{- if or (contains "\"password\":" $said) (regexMatch "://[^/@\"]+:[^/@\"]+@" $said) }}
{{- fail "a password in config would stand in a ConfigMap for all to read: give it as password_env" }}
{{- end }}
{{- $given := list }}
{{- range .Values.secretEnv }}{{ $given = append $given .name }}{{ end }}
{{- range regexFindAll "\"password_env\":\"[^\"]+\"" $said -1 }}
{{- $name := . | trimPrefix "\"password_env\":\"" | trimSuffix "\"" }}
{{- if not (has $name $given) }}{{ fail (printf "config names the variable %s as password_env: say its secret in secretEnv" $name) }}{{ end }}
{{- end }}
{{- with .Values.workers.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}{{ fail "workers.autoscaling.minReplicas is above maxReplicas" }}{{ end }}
{{- end }}
{{- end }}
