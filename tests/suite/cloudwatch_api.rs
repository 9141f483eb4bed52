//! Live CloudWatch against a server that speaks its protocol, with points that the test itself put.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use billtag::aws::failure::Kind;
use billtag::aws::{Access, Aws};
use billtag::clock::{self, DAY, HOUR};
use billtag::sources::cloudwatch::api::{self, Catalogue, Question, Target, Window};
use billtag::sources::cloudwatch::{self, MetricSource, Origin, Series};

use crate::parts::{self, Emulator};

const ONE: &str = "111111111111";
const TWO: &str = "222222222222";

/// What is put: a metric, its dimensions, its time and its value.
type Put<'a> = (&'a str, &'a [(&'a str, &'a str)], i64, f64);

/// One server, seen with the machine's own clock, since servers forget by it.
struct World {
    aws: Arc<Aws>,
    now: i64,
    _server: Emulator,
}

impl World {
    fn of(server: Emulator) -> Self {
        Self { aws: Arc::new(Aws::for_endpoint(&server.endpoint())), now: clock::now(), _server: server }
    }

    /// The start of an hour of the past.
    fn hour(&self, back: i64) -> i64 {
        self.now - self.now.rem_euclid(HOUR) - back * HOUR
    }

    /// All hours from one of the past up to now.
    fn window(&self, back: i64) -> Window {
        Window { from: self.hour(back), until: self.hour(-1) }
    }

    fn put(&self, target: &Target, namespace: &str, points: &[Put<'_>]) {
        let config = self.aws.config(&target.access.in_region(&target.region));
        let client = aws_sdk_cloudwatch::Client::new(&config);
        for some in points.chunks(500) {
            let data = some.iter().map(|(metric, dimensions, at, value)| {
                let dimension = |(name, value): &(&str, &str)| Dimension::builder().name(*name).value(*value).build();
                MetricDatum::builder()
                    .metric_name(*metric)
                    .set_dimensions(Some(dimensions.iter().map(dimension).collect()))
                    .timestamp(DateTime::from_secs(*at))
                    .unit(StandardUnit::Count)
                    .value(*value)
                    .build()
            });
            let request = client.put_metric_data().namespace(namespace).set_metric_data(Some(data.collect()));
            self.aws.run(request.send()).expect("points are taken");
        }
    }

    fn discover(&self, question: &Question, targets: &[Target]) -> (Catalogue, api::Discovered) {
        let mut catalogue = Catalogue::default();
        let found = api::discover(&self.aws, question, targets, &mut catalogue, self.now).expect("a right question");
        (catalogue, found)
    }

    fn fetch(&self, question: &Question, asked: &[(Target, Window)], catalogue: &Catalogue) -> api::Fetched {
        api::fetch(&self.aws, question, asked, catalogue, self.now).expect("a right question")
    }
}

/// A target whose role names its account.
fn target(account: &str, region: &str) -> Target {
    let role_arn = Some(format!("arn:aws:iam::{account}:role/reader"));
    let access = Access { role_arn, ..Access::default() };
    Target { account_id: account.into(), region: region.into(), access }
}

/// Sums by account, region, metric, last dimension and hours before now.
fn sums(world: &World, series: &[Series]) -> Vec<(String, i64, i64)> {
    let of_series = |series: &Series| {
        let name = &series.name;
        let value = name.dimensions.values().next_back().expect("a dimension").clone();
        let text = format!("{} {} {} {value}", name.account_id, name.region, name.metric);
        series.points.iter().map(move |(at, point)| (text.clone(), at, point.sum)).collect::<Vec<_>>()
    };
    let points = series.iter().flat_map(of_series);
    points.map(|(text, at, sum)| (text, (world.hour(0) - at) / HOUR, sum)).collect()
}

fn sum(text: &str, hours_back: i64, sum: i64) -> (String, i64, i64) {
    (text.to_string(), hours_back, sum)
}

#[test]
fn what_accounts_and_regions_measured_comes_back_by_series_and_hour() {
    let world = World::of(parts::cloudwatch(&[]));
    let (east, west, other) = (target(ONE, "us-east-1"), target(ONE, "eu-west-1"), target(TWO, "us-east-1"));
    let claude: &[(&str, &str)] = &[("ModelId", "us.anthropic.claude-sonnet-5")];
    let runtime = [
        ("InputTokenCount", claude, world.hour(3) + 60, 100.0),
        ("InputTokenCount", claude, world.hour(3) + 3540, 11.0),
        ("InputTokenCount", claude, world.hour(1), 7.0),
        ("CacheReadInputTokens", claude, world.hour(1), 40.0),
        ("CacheReadInputTokenCount", claude, world.hour(1), 50.0),
        ("Invocations", claude, world.hour(1), 2.0),
        // Levels and metrics that are not read.
        (
            "InputTokenCount",
            &[("ModelId", "us.anthropic.claude-sonnet-5"), ("ServiceTier", "flex")],
            world.hour(1),
            7.0,
        ),
        ("InvocationLatency", claude, world.hour(1), 900.0),
    ];
    world.put(&east, "AWS/Bedrock", &runtime);
    world.put(&west, "AWS/Bedrock", &[("OutputTokenCount", claude, world.hour(2), 5.0)]);
    let mantle: &[(&str, &str)] = &[("Model", "gpt-6"), ("Project", "shop")];
    world.put(&other, "AWS/BedrockMantle", &[("InputTokens", mantle, world.hour(2), 13.0)]);
    let custom: &[(&str, &str)] = &[("Workload", "search")];
    world.put(&other, "Team/Tokens", &[("Tickets", custom, world.hour(2), 3.0)]);
    let question = Question {
        source: MetricSource {
            namespace: Some("Team/Tokens".into()),
            dimensions: BTreeMap::from([("workload".into(), "Workload".into())]),
            names: BTreeMap::from([("business_units".into(), "Tickets".into())]),
            ..MetricSource::default()
        },
        ..Question::default()
    };

    let targets = [other.clone(), west.clone(), east.clone()];
    let (catalogue, found) = world.discover(&question, &targets);
    assert_eq!((found.refused, found.warnings, found.new.len()), (vec![], vec![], 7));
    assert_eq!(found.requests.list_pages, 9);

    let window = world.window(5);
    let asked = targets.map(|target| (target, window));
    let fetched = world.fetch(&question, &asked, &catalogue);
    let expected = [
        sum("111111111111 eu-west-1 OutputTokenCount us.anthropic.claude-sonnet-5", 2, 5),
        sum("111111111111 us-east-1 CacheReadInputTokenCount us.anthropic.claude-sonnet-5", 1, 50),
        sum("111111111111 us-east-1 CacheReadInputTokens us.anthropic.claude-sonnet-5", 1, 40),
        sum("111111111111 us-east-1 InputTokenCount us.anthropic.claude-sonnet-5", 3, 111),
        sum("111111111111 us-east-1 InputTokenCount us.anthropic.claude-sonnet-5", 1, 7),
        sum("111111111111 us-east-1 Invocations us.anthropic.claude-sonnet-5", 1, 2),
        sum("222222222222 us-east-1 InputTokens shop", 2, 13),
        sum("222222222222 us-east-1 Tickets search", 2, 3),
    ];
    assert_eq!(sums(&world, &fetched.series), expected);
    assert_eq!((&fetched.warnings, &fetched.refused, &fetched.again), (&vec![], &vec![], &vec![]));
    assert_eq!(fetched.settled, [(west, window), (east, window), (other.clone(), window)]);
    assert_eq!((fetched.requests.data_calls, fetched.requests.metrics_asked, fetched.requests.cost()), (3, 7, 700_000));
    let hourly = Origin::Reply { period: HOUR, phase: 0, sample_count: false };
    assert!(fetched.series.iter().all(|series| series.origin == hourly));

    let (samples, _) = cloudwatch::samples(fetched.series, &question.source).expect("a right source");
    let cached: Vec<_> = samples.iter().filter_map(|sample| sample.cache_read_tokens).collect();
    assert_eq!(cached, [50], "two spellings are one measure");
    let units: Vec<_> = samples.iter().filter_map(|sample| sample.business_units).collect();
    assert_eq!(units, [3]);

    let dimensions = BTreeMap::from([("workload".into(), "Service".into())]);
    let misspelt = Question { source: MetricSource { dimensions, ..question.source.clone() }, ..question };
    let (_, found) = world.discover(&misspelt, &[other]);
    let text = "no metric of Team/Tokens has exactly the configured dimensions {Service}; it has {Workload}";
    assert_eq!((found.warnings, found.new.len()), (vec![text.to_string()], 1));
}

#[test]
fn every_page_is_read_and_throttling_is_waited_out() {
    let world = World::of(parts::cloudwatch(&["--page-metrics", "7", "--page-points", "10", "--throttle", "5"]));
    let here = target(ONE, "us-east-1");
    let models: Vec<String> = (0..20).map(|number| format!("model-{number:02}")).collect();
    let dimensions: Vec<[(&str, &str); 1]> = models.iter().map(|model| [("ModelId", model.as_str())]).collect();
    let hours: Vec<(usize, i64)> = (0..20).flat_map(|number| (0..3).map(move |hour| (number, hour))).collect();
    let value = |number: usize, hour: i64| i64::try_from(number).expect("small") * 10 + hour;
    let points: Vec<_> = hours
        .iter()
        .map(|(number, hour)| {
            let sum = value(*number, *hour);
            (
                "InputTokenCount",
                &dimensions[*number][..],
                world.hour(*hour),
                f64::from(i32::try_from(sum).expect("small")),
            )
        })
        .collect();
    world.put(&here, "AWS/Bedrock", &points);

    let (catalogue, found) = world.discover(&Question::default(), std::slice::from_ref(&here));
    assert_eq!((catalogue.len(), found.refused, found.requests.list_pages), (20, vec![], 4));
    let fetched = world.fetch(&Question::default(), &[(here.clone(), world.window(4))], &catalogue);
    let mut expected: Vec<_> = hours
        .iter()
        .map(|(number, hour)| {
            sum(&format!("{ONE} us-east-1 InputTokenCount model-{number:02}"), *hour, value(*number, *hour))
        })
        .collect();
    expected.sort_by(|a, b| (&a.0, -a.1).cmp(&(&b.0, -b.1)));
    assert_eq!(sums(&world, &fetched.series), expected);
    assert_eq!((fetched.settled.len(), fetched.warnings, fetched.requests.data_calls), (1, vec![], 6));
}

#[test]
fn a_monitoring_account_brings_the_accounts_that_are_linked_to_it() {
    let world = World::of(parts::cloudwatch(&["--linked", "--page-metrics", "2"]));
    let (monitor, source) = (target(ONE, "us-east-1"), target(TWO, "us-east-1"));
    let model: &[(&str, &str)] = &[("ModelId", "amazon.nova-pro")];
    world.put(&monitor, "AWS/Bedrock", &[("InputTokenCount", model, world.hour(1), 1.0)]);
    let metrics = ["InputTokenCount", "OutputTokenCount", "Invocations"];
    let points = metrics.map(|metric| (metric, model, world.hour(1), 20.0));
    world.put(&source, "AWS/Bedrock", &points);

    let linked = Question { linked: true, ..Question::default() };
    let (catalogue, found) = world.discover(&linked, std::slice::from_ref(&monitor));
    assert_eq!((catalogue.len(), found.warnings), (4, vec![]));
    let asked = [(monitor, world.window(3))];
    let expected = [
        sum("111111111111 us-east-1 InputTokenCount amazon.nova-pro", 1, 1),
        sum("222222222222 us-east-1 InputTokenCount amazon.nova-pro", 1, 20),
        sum("222222222222 us-east-1 Invocations amazon.nova-pro", 1, 20),
        sum("222222222222 us-east-1 OutputTokenCount amazon.nova-pro", 1, 20),
    ];
    assert_eq!(sums(&world, &world.fetch(&linked, &asked, &catalogue).series), expected);
    // Without links the same catalogue asks for the account's own series alone.
    let own = world.fetch(&Question::default(), &asked, &catalogue);
    assert_eq!(sums(&world, &own.series), expected[..1]);
}

#[test]
fn a_fine_period_is_asked_as_finely_as_cloudwatch_still_keeps_it() {
    let world = World::of(parts::cloudwatch(&[]));
    let here = target(ONE, "us-east-1");
    let model: &[(&str, &str)] = &[("ModelId", "amazon.nova-pro")];
    let days = [460, 400, 63, 40, 15, 10, 0];
    let points = days.map(|day| ("InputTokenCount", model, world.hour(day * 24) + 1860, 1.0 + day as f64));
    world.put(&here, "AWS/Bedrock", &points);

    let question = Question { period: Some(60), ..Question::default() };
    let (catalogue, _) = world.discover(&question, std::slice::from_ref(&here));
    let window = Window { from: world.hour(0) - 470 * DAY, until: world.hour(-1) };
    let fetched = world.fetch(&question, &[(here, window)], &catalogue);
    let periods: Vec<_> = fetched
        .series
        .iter()
        .map(|series| {
            let Origin::Reply { period, .. } = series.origin else { panic!("a reply") };
            (period, series.points.iter().map(|(_, point)| point.sum).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(periods, [(60, vec![11, 1]), (300, vec![41, 16]), (3600, vec![401, 64])]);
    assert_eq!((fetched.settled.len(), fetched.warnings.len()), (1, 1));
    assert!(fetched.warnings[0].contains("keeps points for 455 days"), "{:?}", fetched.warnings);
}

#[test]
fn an_answer_that_is_not_whole_is_asked_for_again_and_what_came_is_kept() {
    let world = World::of(parts::cloudwatch(&[]));
    let (east, west) = (target(ONE, "us-east-1"), target(ONE, "us-west-2"));
    let points = |models: [&'static [(&'static str, &'static str)]; 2]| {
        models.map(|model| ("InputTokenCount", model, world.hour(1), 4.0))
    };
    world.put(&east, "AWS/Bedrock", &points([&[("ModelId", "broken")], &[("ModelId", "whole")]]));
    world.put(&west, "AWS/Bedrock", &points([&[("ModelId", "no-answer")], &[("ModelId", "whole")]]));

    let targets = [east.clone(), west.clone()];
    let (catalogue, _) = world.discover(&Question::default(), &targets);
    let window = world.window(3);
    let fetched = world.fetch(&Question::default(), &targets.map(|target| (target, window)), &catalogue);
    assert_eq!(sums(&world, &fetched.series).len(), 4);
    assert_eq!((fetched.settled, fetched.again), (vec![], vec![(east, window), (west, window)]));
    let [first, second] = &fetched.warnings[..] else { panic!("{:?}", fetched.warnings) };
    assert!(first.contains("(InternalError)") && first.contains("ModelId=broken"), "{first}");
    assert!(second.contains("(PartialData)") && second.contains("ModelId=no-answer"), "{second}");
}

#[test]
fn a_series_that_discovery_no_longer_lists_is_asked_for_all_the_same() {
    let world = World::of(parts::cloudwatch(&[]));
    let here = target(ONE, "us-east-1");
    world.put(&here, "AWS/Bedrock", &[("InputTokenCount", &[("ModelId", "old")], world.hour(24 * 30), 9.0)]);
    let question = Question::default();
    let (catalogue, _) = world.discover(&question, std::slice::from_ref(&here));
    let kept = serde_json::to_string(&catalogue).expect("JSON");
    let mut catalogue: Catalogue = serde_json::from_str(&kept).expect("a catalogue");
    // A server that knows nothing: discovery adds nothing, and takes nothing away.
    let empty = parts::cloudwatch(&[]);
    let access = Access { endpoint: Some(empty.endpoint()), ..here.access.clone() };
    let there = Target { access, ..here.clone() };
    let found = api::discover(&world.aws, &question, &[there], &mut catalogue, world.now + DAY);
    assert_eq!((found.expect("a right question").new, catalogue.len()), (vec![], 1));
    let fetched = world.fetch(&question, &[(here.clone(), world.window(24 * 31))], &catalogue);
    assert_eq!(sums(&world, &fetched.series), [sum("111111111111 us-east-1 InputTokenCount old", 720, 9)]);
    // Where nothing is known, nothing is settled.
    let fetched = world.fetch(&question, &[(here.clone(), world.window(3))], &Catalogue::default());
    assert_eq!((fetched.unasked, fetched.settled), (vec![(here, world.window(3))], vec![]));
    assert_eq!(fetched.requests, api::Requests::default());
}

#[test]
fn a_target_that_refuses_costs_only_itself() {
    let server = parts::cloudwatch(&["--auth"]);
    server.python(
        r#"
import boto3, json
iam = boto3.client("iam", aws_access_key_id="222222222222", aws_secret_access_key="test")
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_role_policy(RoleName="reader", PolicyName="other", PolicyDocument=json.dumps(policy))
"#,
    );
    let world = World::of(server);
    let own = Target { account_id: "000000000000".into(), region: "us-east-1".into(), access: Access::default() };
    let model: &[(&str, &str)] = &[("ModelId", "amazon.nova-pro")];
    world.put(&own, "AWS/Bedrock", &[("InputTokenCount", model, world.hour(1), 6.0)]);
    let (no_role, no_policy) = (target(ONE, "us-east-1"), target(TWO, "us-east-1"));

    let targets = [no_policy.clone(), no_role, own.clone()];
    let (mut catalogue, found) = world.discover(&Question::default(), &targets);
    let refused: Vec<_> = found
        .refused
        .iter()
        .map(|(target, failure)| (target.account_id.as_str(), failure.kind.clone(), failure.action))
        .collect();
    let expected = [(ONE, Kind::Denied, "sts:AssumeRole"), (TWO, Kind::Denied, "cloudwatch:ListMetrics")];
    assert_eq!(refused, expected, "{:?}", found.refused);
    assert_eq!(catalogue.len(), 1);

    // Known from before, but refused today.
    let text = serde_json::to_string(&catalogue).expect("JSON");
    let known = format!("[{},{}]", &text[1..text.len() - 1], text[1..text.len() - 1].replace("000000000000", TWO));
    catalogue = serde_json::from_str(&known).expect("a catalogue");
    let window = world.window(3);
    let asked = [(no_policy.clone(), window), (own.clone(), window)];
    let fetched = world.fetch(&Question::default(), &asked, &catalogue);
    assert_eq!(sums(&world, &fetched.series), [sum("000000000000 us-east-1 InputTokenCount amazon.nova-pro", 1, 6)]);
    assert_eq!((fetched.settled, fetched.again), (vec![(own, window)], vec![(no_policy, window)]));
    assert_eq!(fetched.refused[0].1.action, "cloudwatch:GetMetricData");
}
