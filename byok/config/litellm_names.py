"""
Names of LiteLLM's that byok knows and does nothing with, one list a section.

A name that ends in `?` is a switch: a text where true or false belongs is an error
also there, since it would be one in every other place.
"""

NO_EFFECT: dict[str, str] = {
    "the top level": """
        agent_list assistant_settings callback_settings credential_list
        files_settings finetune_settings mcp_semantic_tool_filter mcp_servers
        mcp_tools prompts search_tools vector_store_registry
    """,
    "general_settings": """
        alert_to_webhook_url alert_types alerting alerting_args alerting_threshold
        allow_cli_sso_verification_uri_complete allow_user_auth?
        background_health_check_model_groups background_health_checks?
        cancel_on_disconnect? completion_model control_plane_url coordination_redis
        custom_auth_run_common_checks? custom_ui_sso_sign_in_handler database_args
        database_connect_timeout database_connection_pool_limit
        database_connection_timeout database_disable_prepared_statements?
        database_extra_connection_params database_socket_timeout database_type
        default_team_disabled? disable_adding_master_key_hash_to_db?
        disable_auto_add_proxy_admin_to_teams disable_master_key_return?
        disable_prisma_schema_update? disable_reset_budget?
        disable_responses_id_security?
        disable_retry_on_max_parallel_request_limit_error? disable_spend_logs?
        disable_spend_updates? embedding_model enable_claude_code_gateway?
        enable_health_check_routing? enable_public_model_hub?
        health_check_concurrency health_check_details? health_check_interval
        health_check_skip_disabled_background_models? image_generation_model
        infer_model_from_keys? key_management_settings key_management_system
        litellm_license max_batch_file_size_mb
        maximum_autorouter_session_retention_period
        maximum_health_check_retention_period maximum_spend_logs_cleanup_batch_size
        maximum_spend_logs_cleanup_batch_timeout
        maximum_spend_logs_cleanup_max_batches maximum_spend_logs_cleanup_run_budget
        maximum_spend_logs_retention_interval
        mcp_internal_ip_ranges mcp_trusted_proxy_ranges mcp_xff_num_trusted_hops
        model_list_healthy_only? moderation_model otel? pass_through_request_timeout
        plugins proxy_batch_polling_interval proxy_batch_write_at
        proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time
        proxy_config_reload_interval_seconds scheduled_job_stagger
        spend_report_frequency store_prompts_in_spend_logs? supported_db_objects
        ui_access_mode use_azure_key_vault? use_google_kms?
        use_redis_transaction_buffer? use_shared_health_check?
        use_spend_logs_partitioning? user_api_key_cache_ttl user_mcp_management_mode
    """,
    "litellm_settings": """
        aiohttp_trust_env? allowed_fails anthropic_beta_headers api_base api_key
        cache cache_params callback_settings content_policy_fallbacks
        context_window_fallbacks cooldown_time credential_list
        custom_prometheus_metadata_labels custom_prometheus_tags custom_provider_map
        default_fallbacks default_vertex_config disable_add_prefix_to_prompt?
        disable_add_transform_inline_image_block?
        disable_copilot_system_to_assistant? disable_end_user_cost_tracking?
        disable_end_user_cost_tracking_prometheus_only?
        disable_hf_tokenizer_download? disable_stop_sequence_limit?
        enable_json_schema_validation? enable_key_alias_format_validation?
        enable_loadbalancing_on_batch_endpoints? enable_preview_features?
        fallbacks force_ipv4? global_disable_no_log_param?
        langfuse_default_tags max_ui_session_budget mcp_aliases model_alias_map
        model_fallbacks num_retries num_retries_per_request priority_reservation
        prometheus_initialize_budget_metrics prometheus_metrics_config
        public_model_groups public_model_groups_links redact_messages_in_exceptions?
        redact_user_api_key_info? retry_policy s3_callback_params service_callbacks
        store_audit_logs? tag_budget_config telemetry? token turn_off_message_logging?
        use_chat_completions_url_for_anthropic_messages?
    """,
    "router_settings": """
        allowed_fails allowed_fails_policy assistants_config cache_kwargs
        cache_responses? caching_groups client_ttl content_policy_fallbacks
        context_window_fallbacks cooldown_time debug_level default_fallbacks
        default_litellm_params default_priority disable_cooldowns?
        enable_pre_call_check? enable_pre_call_checks? enable_tag_filtering?
        enable_weighted_failover? fallbacks ignore_invalid_deployments?
        max_fallbacks model_group_alias model_group_retry_policy num_retries
        optional_pre_call_checks polling_interval retry_after retry_policy
        router_general_settings routing_groups routing_strategy routing_strategy_args
        search_tools set_verbose? stream_timeout tag_filtering_match_any? timeout
    """,
    "model_list[]": """
        blocked
    """,
    "model_list[].litellm_params": """
        adaptive_router_config adaptive_router_default_model
        allow_client_keepalive_override? allowed_openai_params api_version
        auto_router_config auto_router_config_path auto_router_default_model
        auto_router_embedding_model auto_router_max_input_chars aws_access_key_id
        aws_batch_role_arn aws_bedrock_project_id aws_bedrock_runtime_endpoint
        aws_external_id aws_profile_name aws_region_name aws_role_name
        aws_secret_access_key aws_session_name aws_session_token aws_sts_endpoint
        aws_web_identity_token azure_ad_token azure_password azure_scope
        azure_username bedrock_tags cache_control_injection_points client_id
        client_secret complexity_router_config complexity_router_default_model
        cooldown_time dimensions drop_system_message embedding_model extra_body
        extra_query frequency_penalty gcs_bucket_name guardrails hf_model_name
        index_name input_cost_per_second keepalive_seconds litellm_system_prompt
        litellm_trace_id max_completion_tokens max_file_size_mb max_retries
        max_tokens merge_reasoning_content_in_choices? model_info n num_retries
        order output_cost_per_second presence_penalty prompt_id
        quality_router_config quality_router_default_model reasoning_effort
        region_name response_format s3_bucket_name s3_encryption_key_id
        s3_output_bucket_name s3_region_name seed stop supports_system_message
        tag_regex tags temperature tenant_id thinking tool_choice tools top_k top_p
        use_chat_completions_api? use_in_pass_through? use_litellm_proxy? user
        vector_bucket_name vector_store_id vertex_credentials vertex_location
        vertex_project watsonx_region_name weight
    """,
    "model_list[].model_info": """
        access_groups access_via_team_ids allowed_models created_at created_by
        db_model? description direct_access disable_background_health_check?
        health_check_max_tokens health_check_model health_check_timeout
        health_check_voice input_cost_per_second key litellm_provider
        max_input_tokens max_output_tokens max_tokens metadata mode
        output_cost_per_second region_name supported_environments
        supported_openai_params supports_assistant_prefill supports_audio_input
        supports_audio_output supports_computer_use supports_function_calling
        supports_parallel_function_calling supports_pdf_input
        supports_prompt_caching supports_reasoning supports_response_schema
        supports_system_messages supports_tool_choice supports_vision
        supports_web_search team_id team_public_model_name tier updated_at
        updated_by
    """,
}

PROVIDERS = """
    ai21 ai21_chat aiml aleph_alpha amazon_nova anyscale azure azure_ai azure_text
    baseten bedrock bedrock_converse bytez cerebras chatgpt clarifai cloudflare
    codestral cohere cohere_chat cometapi custom custom_openai dashscope databricks
    datarobot deepgram deepinfra deepseek docker_model_runner elevenlabs empower
    fal_ai featherless_ai fireworks_ai friendliai galadriel gemini gigachat github
    github_copilot gradient_ai groq heroku hosted_vllm huggingface hyperbolic
    infinity jina_ai lambda_ai lemonade litellm_proxy llamafile lm_studio maritalk
    meta_llama minimax mistral moonshot morph nebius nlp_cloud novita nscale
    nvidia_nim oci ollama ollama_chat oobabooga openai_like openrouter ovhcloud
    perplexity petals predibase publicai recraft replicate sagemaker sagemaker_chat
    sambanova sap snowflake synthetic text-completion-openai together_ai topaz
    triton v0 vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage
    wandb watsonx watsonx_text xai xinference zai
"""
