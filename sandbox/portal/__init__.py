"""The customer portal: features, flows, plan changes and visits."""
