//! The manifest of `examples/kubernetes`, held against the types of the Kubernetes interface.

use std::fs;
use std::path::Path;

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value;

fn manifest() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes/workers.yaml");
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn every_key_of_the_manifest_is_one_that_kubernetes_knows() {
    let manifest = manifest();
    let job: Job = serde_json::from_value(manifest.clone()).unwrap();
    // What is not known is not there any more.
    assert_eq!(serde_json::to_value(&job).unwrap(), manifest);
}

#[test]
fn a_worker_that_has_to_leave_is_no_failure_and_has_time_to_give_its_trial_back() {
    let job: Job = serde_json::from_value(manifest()).unwrap();
    let job = job.spec.unwrap();
    assert_eq!(job.completion_mode.as_deref(), Some("Indexed"));
    assert_eq!(job.completions, job.parallelism);
    // Only with these are limits of failures counted by worker, and rules of failures looked at.
    assert!(job.backoff_limit_per_index.is_some());
    let pod = job.template.spec.unwrap();
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"));
    // A trial is given five seconds to end by itself.
    assert!(pod.termination_grace_period_seconds.unwrap() > 30);
    let rules = job.pod_failure_policy.unwrap().rules;
    let is_disruption = |rule: &k8s_openapi::api::batch::v1::PodFailurePolicyRule| {
        let conditions = rule.on_pod_conditions.iter().flatten();
        rule.action == "Ignore" && conditions.into_iter().any(|on| on.type_ == "DisruptionTarget")
    };
    assert!(rules.iter().any(is_disruption));
    let container = &pod.containers[0];
    for rule in rules.iter().filter_map(|rule| rule.on_exit_codes.as_ref()) {
        assert_eq!(rule.container_name.as_deref(), Some(container.name.as_str()));
        assert_eq!(
            (rule.operator.as_str(), rule.values.as_slice()),
            ("In", &[2][..]),
            "bad input exits with 2"
        );
    }
    let variables = container.env.as_ref().unwrap();
    let password = variables.iter().find(|variable| variable.name == "PGPASSWORD").unwrap();
    assert!(password.value.is_none() && password.value_from.as_ref().unwrap().secret_key_ref.is_some());
    let command = container.command.as_ref().unwrap();
    assert_eq!(command[..3], ["joulewise", "tune", "worker"], "a shell would keep TERM to itself");
}
